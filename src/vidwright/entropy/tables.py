"""From a network's logits to the integers an entropy coder works with.

Only the logits are floating point. From there on the arithmetic is exact (one correctly rounded product, then
integers), so equal logits give equal tables on every machine.

Shapes: N symbols, K classes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vidwright.core.errors import ModelRefused

#: The frequencies of a table sum to 2**PRECISION.
PRECISION = 24
#: A power of two is looked up at this many steps an octave; the error of a probability is below 1e-4 of itself.
STEPS = 2**12
#: The weight of the likeliest class before the frequencies are brought to their sum.
PEAK = 2**30
#: Table entries that are worked on at once, which bounds memory.
AT_ONCE = 2**20

_POWERS = torch.tensor([round(PEAK * 2 ** (-step / STEPS)) for step in range(STEPS)])


def frequencies(logits_NK: Tensor) -> Tensor:
    """Fixed-point probabilities of `softmax(logits)`: (N, K) floats, K from 2 to 256 -> (N, K) int32.

    Each is at least 1, so that any symbol can be coded, and each row sums to exactly 2**24. A symbol costs
    24 - log2(its frequency) bits; symbols that follow the model cost at most 1e-4 bits more than its entropy. A logit
    may be minus infinity. Raises `ModelRefused` for logits that give no distribution.
    """
    rows = max(1, AT_ONCE // logits_NK.shape[1])
    return torch.cat([_frequencies(part_NK) for part_NK in torch.split(logits_NK, rows)])


def _frequencies(logits_NK: Tensor) -> Tensor:
    peak_N1 = logits_NK.amax(1, keepdim=True)
    if not bool(torch.isfinite(peak_N1).all()):  # a NaN is greater than any number
        raise ModelRefused(
            "the model's probabilities", "its logits are not finite", "use weights whose training did not diverge"
        )
    steps_NK = (logits_NK - peak_N1).double().mul_(-STEPS / math.log(2)).round_().clamp_(max=31 * STEPS).long()
    weight_NK = _POWERS[steps_NK % STEPS] >> (steps_NK // STEPS)
    free = 2**PRECISION - logits_NK.shape[1]
    table_NK = 1 + weight_NK * free // weight_NK.sum(1, keepdim=True)
    slack_N1 = 2**PRECISION - table_NK.sum(1, keepdim=True)
    first_N1 = (weight_NK == PEAK).byte().argmax(1, keepdim=True)  # of equals the first, by definition of argmax
    return table_NK.scatter_add_(1, first_N1, slack_N1).int()
