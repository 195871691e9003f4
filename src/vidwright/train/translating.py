"""A `models/edit/translation` is fitted to the painted keys of a shot, in a few seconds.

    keys as they were, what was painted --> the same patches of both --> network --> Laplace: what is painted, how sure

Patches lie anywhere, mirrored and a little brighter or darker: other frames do not show quite the same.

Shapes: B batch, C = 3 channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from vidwright.data.loader import Batch
from vidwright.data.seeding import generator, integer
from vidwright.models.edit.translation import Config, Net
from vidwright.nn.threads import one_torch_thread
from vidwright.train.loop import train
from vidwright.train.losses import laplace
from vidwright.train.optimiser import Optimiser
from vidwright.train.schedule import Budget
from vidwright.train.state import State

#: Patches in a batch, and their side in pixels.
PATCHES, SIDE = 4, 64
#: How often each pixel of the keys is looked at, and the steps that takes at least and at most.
LOOKS, STEPS = 120, (60, 250)
#: By how much patches are brighter, as a part and in [0, 1]: standard deviations.
GAIN, LIFT = 0.1, 0.03

#: Muon comes as far in half the steps of AdamW.
OPTIMISER = Optimiser(kind="muon", learning_rate=1e-2, warmup=10, clip=5.0, ema=0.95)


def translator(pictures: Sequence[Tensor], painted: Sequence[Tensor], *, seed: int = 0) -> Net:
    """The network that tells what was `painted` on `pictures`, both (3, H, W), as a difference between the two.

    On one thread, so that it comes out the same however many there are.
    """
    pairs = list(zip(pictures, painted, strict=True))
    looked_at = LOOKS * sum(picture_CHW[0].numel() for picture_CHW, _ in pairs)
    steps = min(max(looked_at // (PATCHES * SIDE**2), STEPS[0]), STEPS[1])
    with torch.random.fork_rng([]), one_torch_thread():
        torch.manual_seed(generator(seed).initial_seed())
        net = Net(Config())
        state = State.fresh(net, OPTIMISER)
        for _ in train(state, _batches(pairs, seed), objective, optimiser=OPTIMISER, budget=Budget(steps=steps)):
            pass
    net.load_state_dict(state.averaged())
    return net.eval().requires_grad_(False)


def objective(net: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """How unlikely what was painted is by what the network says."""
    told_BCHW, width_B1HW = net(batch["picture"])
    return {"laplace": laplace(told_BCHW, batch["painted"], width_B1HW)}


def _batches(pairs: Sequence[tuple[Tensor, Tensor]], seed: int) -> Iterator[Batch]:
    number = 0
    while True:
        random = generator(seed, number)
        patches = [_patch(pairs[integer(len(pairs), random)], random) for _ in range(PATCHES)]
        yield {name: torch.stack([patch[name] for patch in patches]) for name in patches[0]}
        number += 1


def _patch(pair: tuple[Tensor, Tensor], random: torch.Generator) -> Batch:
    height, width = pair[0].shape[-2:]
    rows, columns = min(SIDE, height), min(SIDE, width)
    top, left = integer(height - rows + 1, random), integer(width - columns + 1, random)
    picture_CHW, painted_CHW = (each[:, top : top + rows, left : left + columns] for each in pair)
    if integer(2, random):
        picture_CHW, painted_CHW = picture_CHW.flip(-1), painted_CHW.flip(-1)
    gain, lift = torch.randn(2, generator=random).tolist()
    return {"picture": picture_CHW * (1 + GAIN * gain) + LIFT * lift, "painted": painted_CHW}
