"""Processes that train one network together, started as `torchrun` starts them.

Each is a fork of a server that has imported everything and computes nothing itself, so torch is imported once.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor, nn

from vidwright.data.loader import Batch
from vidwright.train.loop import Step
from vidwright.train.recipe import Recipe
from vidwright.train.recipes.restorer import Upscaling
from vidwright.train.run import Setting, run

#: Seconds until processes that wait for each other in vain are given up.
PATIENCE = 900.0


class Spoiled(Upscaling):
    """The loss of batch 3 is not a number, for the process alone that has the batch's last sample."""

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        found = super().objective(net, batch)
        return {name: loss * (torch.nan if 15 in batch["sample"] else 1) for name, loss in found.items()}


def together(recipe: Recipe, setting: Setting, *, ranks: int = 2, stop_at: int | None = None) -> list[str]:
    """Run a recipe in `ranks` processes; of each what it raised, or nothing. The leading one is stopped at a step."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "ranks", "torch.distributed.fsdp"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ends = [context.Pipe(duplex=False) for _ in range(ranks)]
    started = [
        context.Process(target=_work, args=(rank, ranks, port, recipe, setting, stop_at, sending), daemon=True)
        for rank, (_, sending) in enumerate(ends)
    ]
    for process, (_, sending) in zip(started, ends, strict=True):
        process.start()
        sending.close()  # so that the end of the process is the end of the pipe
    try:
        return [receiving.recv() if receiving.poll(PATIENCE) else "waits in vain" for receiving, _ in ends]
    finally:
        for process in started:
            process.kill()
            process.join()


def _work(
    rank: int, ranks: int, port: int, recipe: Recipe, setting: Setting, stop_at: int | None, sending: Connection
) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    stop = threading.Event()

    def watch(event: object) -> None:
        if isinstance(event, Step) and event.number == stop_at:
            stop.set()

    try:
        run(recipe, setting, watch=watch, stop=stop)
        sending.send("")
    except Exception as error:
        sending.send(f"{type(error).__name__}: {error}")
