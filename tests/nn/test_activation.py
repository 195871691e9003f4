"""A name gives the function of that name."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch.nn import functional as F

from vidwright.nn.activation import LEAK, Activation, activation

REFERENCE = {
    "relu": F.relu,
    "leaky": lambda x: torch.maximum(x, LEAK * x),
    "elu": F.elu,
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "gelu": F.gelu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": lambda x: torch.log1p(torch.exp(x)),
    "softmax": lambda x: torch.exp(x) / torch.exp(x).sum(1, keepdim=True),
    "none": lambda x: x,
}


def test_every_name_is_checked():
    assert set(REFERENCE) == set(get_args(Activation))


@pytest.mark.parametrize("name", REFERENCE)
def test_a_name_gives_the_function_of_that_name(name):
    x = torch.linspace(-4, 4, 60).view(2, 5, 2, 3)
    before = x.clone()
    torch.testing.assert_close(activation(name)(x), REFERENCE[name](x))
    assert torch.equal(x, before)


def test_another_name_is_refused():
    with pytest.raises(AssertionError, match="swish"):
        activation("swish")  # type: ignore[arg-type]
