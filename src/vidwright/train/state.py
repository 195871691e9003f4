"""All that a run is at one moment: the network, its average, the optimisers, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vidwright.train.optimiser import Optimiser
from vidwright.train.parallel import whole


@dataclass(slots=True)
class State:
    """What is saved and resumed; the network may be sharded over processes.

    `average` is the exponential moving average of the parameters by name, `step` how many updates have been made,
    `batch` the number of the next batch, `seconds` the wall clock of all resumed runs together, `bad` the batches
    that were left out because something was not finite.
    """

    net: nn.Module
    average: dict[str, Tensor]
    optimisers: list[torch.optim.Optimizer]
    step: int = 0
    batch: int = 0
    seconds: float = 0.0
    bad: list[int] = field(default_factory=list[int])

    @staticmethod
    def fresh(net: nn.Module, optimiser: Optimiser) -> State:
        """The state before the first step."""
        average = {name: p.detach().clone() for name, p in net.named_parameters()}
        optimisers = optimiser.build(net)
        for one in optimisers:
            _materialise(one)
        return State(net, average, optimisers)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state by name: the tensors themselves, not copies."""
        found = {f"net.{name}": tensor.detach() for name, tensor in self.net.state_dict().items()}
        found |= {f"average.{name}": tensor for name, tensor in self.average.items()}
        for name, p in self.net.named_parameters():
            for one in self.optimisers:
                found |= {f"optimiser.{name}.{key}": tensor for key, tensor in one.state.get(p, {}).items()}
        return found

    def averaged(self, part: str = "") -> dict[str, Tensor]:
        """The state dict with averaged parameters of the network, or of a part of it by name, whole and on the CPU.

        All processes call it together.
        """
        found, start = self.net.state_dict() | self.average, f"{part}." if part else ""
        own = {name.removeprefix(start): tensor for name, tensor in found.items() if name.startswith(start)}
        return {name: whole(tensor.detach()).cpu().clone() for name, tensor in own.items()}

    def finite(self) -> bool:
        """Whether no parameter holds a NaN or an infinity."""
        parameters = [p.detach() for p in self.net.parameters()]
        return not parameters or bool(whole(torch.nn.utils.get_total_norm(parameters)).isfinite())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy in memory of a good state, to return to."""

    tensors: dict[str, Tensor]
    step: int

    @staticmethod
    def of(state: State) -> Snapshot:
        """Copy `state` as it is now."""
        return Snapshot({name: tensor.clone() for name, tensor in state.tensors().items()}, state.step)

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Set `state` back; the data go on with the next batch, so that what did the harm is not met again."""
        for name, tensor in state.tensors().items():
            tensor.copy_(self.tensors[name])
        state.step = self.step


def _materialise(optimiser: torch.optim.Optimizer) -> None:
    """Have the moments exist before the first step, so that a state always has the same tensors."""
    rates = [group["lr"] for group in optimiser.param_groups]
    for group in optimiser.param_groups:
        group["lr"] = 0.0
        for p in group["params"]:
            p.grad = torch.zeros_like(p)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate
    for moments in optimiser.state.values():
        for tensor in moments.values():
            tensor.zero_()
