"""Activations by name, for networks whose config chooses one."""

from __future__ import annotations

from typing import Literal, assert_never

from torch import nn

Activation = Literal["relu", "leaky", "elu", "silu", "gelu", "tanh", "sigmoid", "softplus", "softmax", "none"]

#: Slope of the leaky rectifier below zero: as fast as ReLU, and no unit can die of a large step.
LEAK = 0.1


def activation(name: Activation) -> nn.Module:
    """The activation of that name, out of place; "softmax" is over the channels (axis 1), "none" changes nothing."""
    match name:
        case "relu":
            return nn.ReLU()
        case "leaky":
            return nn.LeakyReLU(LEAK)
        case "elu":
            return nn.ELU()
        case "silu":
            return nn.SiLU()
        case "gelu":
            return nn.GELU()
        case "tanh":
            return nn.Tanh()
        case "sigmoid":
            return nn.Sigmoid()
        case "softplus":
            return nn.Softplus()
        case "softmax":
            return nn.Softmax(dim=1)
        case "none":
            return nn.Identity()
        case _:
            assert_never(name)
