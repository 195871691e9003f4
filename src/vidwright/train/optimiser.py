"""Which parameter is moved by which rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Optimiser:
    """How the parameters descend.

    `kind` "muon" moves matrices and kernels by Muon and the rest by AdamW, at one learning rate; `warmup` is in
    steps; `clip` is the largest norm of all gradients together; `ema` is the decay of the average that is evaluated
    and shipped; `accumulate` is in how many parts a batch is worked on, which changes memory and not the result.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    warmup: int = 100
    clip: float = 1.0
    ema: float = 0.999
    accumulate: int = 1

    def __post_init__(self) -> None:
        if self.accumulate < 1:
            raise ValueError("accumulate must be at least 1")

    def build(self, net: nn.Module) -> list[torch.optim.Optimizer]:
        """The optimisers of a network's parameters."""
        parameters = [p for p in net.parameters() if p.requires_grad]
        kernels = [p for p in parameters if self.kind == "muon" and p.ndim >= 2]
        others = [p for p in parameters if self.kind != "muon" or p.ndim < 2]
        built: list[torch.optim.Optimizer] = []
        if kernels:
            built.append(Muon(kernels, lr=self.learning_rate, weight_decay=self.weight_decay))
        if others:
            built.append(
                torch.optim.AdamW(
                    others, lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay, fused=True
                )
            )
        return built


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal, for parameters with at least two dimensions: Jordan et al. 2024.

    Kernels (O, I, ...) count as matrices of O rows, which torch's own Muon refuses. The update has the size that
    AdamW's usually has, so both share a learning rate: Liu et al. 2025, "Muon is scalable for LLM training".
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Move each parameter that has a gradient; `closure` is not used."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[p.flatten(1).shape].append(p)
            for shape, parameters in alike.items():
                updates = torch.stack([self._update(p, group["momentum"]).flatten(1) for p in parameters])
                size = group["lr"] * _adam_size(*shape)
                for p, update_OI in zip(parameters, orthogonal(updates), strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update_OI.view_as(p), alpha=-size)

    def _update(self, p: nn.Parameter, decay: float) -> Tensor:
        """The gradient and what is left of those before it: Nesterov's look ahead."""
        assert p.grad is not None
        state = self.state[p]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(p)
        momentum = state["momentum_buffer"].mul_(decay).add_(p.grad)
        return p.grad.add(momentum, alpha=decay)


def orthogonal(matrix_OI: Tensor) -> Tensor:
    """About U V^T of the singular value decomposition U S V^T: singular values end within about 0.7 to 1.2.

    Of one matrix (O, I) or of many of one shape at once, (..., O, I), which an accelerator does in the time of one.
    Five steps of a quintic Newton-Schulz iteration in fp32 (bf16 on an accelerator); Jordan et al. 2024.
    """
    tall = matrix_OI.shape[-2] > matrix_OI.shape[-1]
    x = matrix_OI.mT if tall else matrix_OI
    x = x.to(torch.bfloat16 if x.is_cuda else torch.float32)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.mT if tall else x).to(matrix_OI.dtype)


def _adam_size(rows: int, columns: int) -> float:
    return 0.2 * max(rows, columns) ** 0.5
