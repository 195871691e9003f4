"""Several processes that train one network, as `torchrun` starts them; one process is the case of a world of one."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True, slots=True)
class World:
    """This process among those that train together: number `rank` of `size`, on `device`."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def mean(self, values: list[float]) -> list[float]:
        """The mean over all processes of each value."""
        if self.size == 1:
            return values
        found = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(found)
        return (found / self.size).tolist()

    def all_agree(self, yes: bool) -> bool:
        """Whether every process says yes."""
        return yes if self.size == 1 else self.mean([float(yes)])[0] == 1.0

    def lead(self, value: float) -> float:
        """The leading process's value."""
        return self.mean([value * self.size if self.leads else 0.0])[0] if self.size > 1 else value

    def wait(self) -> None:
        """Return when all processes have come here."""
        if self.size > 1:
            dist.barrier()


#: How long processes wait for each other: the leading one validates while the others do.
PATIENCE = timedelta(hours=2)

#: The world of one process on the CPU.
ALONE = World()


@contextmanager
def join_world(device: torch.device) -> Generator[World]:
    """The world that `torchrun` describes in the environment, or a world of one; gloo on CPUs, nccl on GPUs."""
    if "WORLD_SIZE" not in os.environ:
        yield World(device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield World(device, dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def shard(net: nn.Module, world: World) -> None:
    """Spread the parameters over the processes, block by block, in place: FSDP2."""
    from torch.distributed.fsdp import fully_shard  # a second, which commands that train in one process need not wait

    mesh = init_device_mesh(world.device.type, (world.size,))
    lists = [module for module in net.modules() if isinstance(module, nn.ModuleList)]
    for block in (block for blocks in reversed(lists) for block in blocks):  # what is inside comes first
        if not isinstance(block, nn.ModuleList):
            fully_shard(block, mesh=mesh)
    fully_shard(net, mesh=mesh)


def replicate(net: nn.Module, world: World) -> nn.Module:
    """The network as a module whose gradients are averaged over the processes; with one process the network itself."""
    return net if world.size == 1 or any(map(_is_spread, net.parameters())) else DistributedDataParallel(net)


def without_sync(model: nn.Module, last: bool) -> Any:
    """A context in which gradients only add up, to be averaged with the last part of a batch."""
    return model.no_sync() if isinstance(model, DistributedDataParallel) and not last else nullcontext()


def whole(tensor: Tensor) -> Tensor:
    """A tensor that may be spread over the processes, as one; all processes call it together."""
    return cast(Any, tensor).full_tensor() if _is_spread(tensor) else tensor


def _is_spread(tensor: Tensor) -> bool:
    """Whether it is a `DTensor`, told without its module, which takes a second to import."""
    return hasattr(tensor, "full_tensor")
