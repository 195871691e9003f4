"""Train `enhance/restorer`, from a folder of clips to a weights file.

    python -m vidwright.train.restorer --data FOLDER --out FILE.safetensors --minutes 30 [--resume]

The budget is wall-clock time and drives the learning rate, so a run on a slow machine is a shorter run and not an
unfinished one. Every batch is a function of (seed, step). A checkpoint is written each minute; `--resume` goes on
from it.

Shapes: B batch, T frames, C channels, H height, W width.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vidwright.data.pairs import Pair, digest, load_pairs
from vidwright.models.enhance.restorer import Config, Net
from vidwright.weights.store import read_weights, save_weights

log = logging.getLogger("vidwright.train")

LUMA = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides the result besides the clips and the machine's speed."""

    name: str = "x2-fast"
    config: Config = Config()
    minutes: float = 30.0
    batch: int = 16
    patch: int = 48  # of the low-resolution input
    learning_rate: float = 1.5e-3
    warmup_steps: int = 100
    ema: float = 0.999
    gradient_norm: float = 0.1
    luma_weight: float = 1.0
    mix: tuple[tuple[str, float], ...] = (
        ("bicubic", 0.42),
        ("cubic", 0.18),
        ("area", 0.12),
        ("lanczos", 0.12),
        ("blur", 0.04),
        ("h264", 0.12),
    )
    seed: int = 0


@dataclass(slots=True)
class State:
    """What a resumed run needs: the network, its average, the optimiser, and how far it has come."""

    net: Net
    average: dict[str, Tensor]
    optimiser: torch.optim.AdamW
    step: int = 0
    seconds: float = 0.0

    @staticmethod
    def fresh(recipe: Recipe) -> State:
        torch.manual_seed(recipe.seed)
        net = Net(recipe.config)
        average = {name: p.detach().clone() for name, p in net.named_parameters()}
        optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
        return State(net, average, optimiser)

    def save(self, path: Path, recipe: Recipe) -> None:
        tensors = {f"net.{name}": p.detach() for name, p in self.net.named_parameters()}
        tensors |= {f"average.{name}": p for name, p in self.average.items()}
        for name, p in self.net.named_parameters():
            moments = self.optimiser.state[p]
            tensors |= {
                f"adam.{key}.{name}": torch.as_tensor(moments[key]) for key in ("exp_avg", "exp_avg_sq", "step")
            }
        header = {"recipe": dataclasses.asdict(recipe), "step": self.step, "seconds": self.seconds}
        save_weights(path, tensors, header)

    @staticmethod
    def load(path: Path, recipe: Recipe) -> State:
        state = State.fresh(recipe)
        tensors, header = read_weights(path)
        for name, p in state.net.named_parameters():
            p.data.copy_(tensors[f"net.{name}"])
            state.average[name] = tensors[f"average.{name}"]
            moments = {key: tensors[f"adam.{key}.{name}"] for key in ("exp_avg", "exp_avg_sq", "step")}
            state.optimiser.state[p] = moments
        state.step, state.seconds = header["step"], header["seconds"]
        return state


def sample_batch(pairs: list[Pair], recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Batch number `step`: (B, 3, 3, H, W) low-resolution windows and (B, 3, 2H, 2W) targets, both in [0, 1]."""
    random = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)

    def integer(below: int) -> int:
        return int(torch.randint(below, (1,), generator=random))

    pixels = torch.tensor([float(p.frames) for p in pairs])
    kinds = torch.tensor([weight for _, weight in recipe.mix])
    windows: list[Tensor] = []
    targets: list[Tensor] = []
    for _ in range(recipe.batch):
        pair = pairs[int(torch.multinomial(pixels, 1, generator=random))]
        low = pair.low[recipe.mix[int(torch.multinomial(kinds, 1, generator=random))][0]]
        at = integer(pair.frames)
        near = torch.tensor([-1, 0, 1]) * (1 + (integer(4) == 0)) * (1 - 2 * integer(2))  # doubled, reversed motion
        window, target = _crop(pair, low, (at + near).clamp(0, pair.frames - 1), recipe.patch, integer)
        windows.append(window)
        targets.append(target)
    return torch.stack(windows).float() / 255, torch.stack(targets).float() / 255


def _crop(pair: Pair, low: Tensor, times: Tensor, patch: int, integer) -> tuple[Tensor, Tensor]:  # noqa: ANN001
    """The more detailed of two random places, flipped and transposed at random."""
    scale = pair.scale
    places = [(integer(low.shape[-2] - patch + 1), integer(low.shape[-1] - patch + 1)) for _ in range(2)]
    centre = int(times[1])

    def target(place: tuple[int, int]) -> Tensor:
        y, x = place[0] * scale, place[1] * scale
        return pair.high[centre, :, y : y + patch * scale, x : x + patch * scale]

    y, x = max(places, key=lambda place: float(target(place)[1].float().diff(dim=-1).abs().mean()))
    window = torch.stack([low[int(t), :, y : y + patch, x : x + patch] for t in times])
    high = target((y, x))
    flips = [dim for dim in (-1, -2) if integer(2)]
    window, high = window.flip(flips), high.flip(flips)
    return (window.transpose(-1, -2), high.transpose(-1, -2)) if integer(2) else (window, high)


def charbonnier(error: Tensor) -> Tensor:
    """A smooth L1, mean over everything: Lai et al. 2017."""
    return (error.square() + 1e-6).sqrt().mean()


def train_step(state: State, recipe: Recipe, batch: tuple[Tensor, Tensor], progress: float) -> float:
    """One update at `progress` in [0, 1] of the budget; returns the loss."""
    low, high = batch
    warm = min(1.0, (state.step + 1) / recipe.warmup_steps)
    rate = recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    with torch.autocast("cpu", torch.bfloat16):
        error = state.net(low) - high
    loss = charbonnier(error) + recipe.luma_weight * charbonnier((error * LUMA).sum(1))
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.net.parameters(), recipe.gradient_norm)
    state.optimiser.step()
    decay = min(recipe.ema, state.step / (state.step + 20))
    for name, p in state.net.named_parameters():
        state.average[name].lerp_(p.detach(), 1 - decay)
    state.step += 1
    return float(loss.detach())


def train(pairs: list[Pair], recipe: Recipe, state: State, checkpoint: Path) -> None:
    """Train until the recipe's minutes are used, counted over all resumed runs."""
    budget = recipe.minutes * 60
    before, saved, shown, losses = time.monotonic(), state.seconds, state.seconds, 0.0
    resumed = state.seconds
    while state.seconds < budget:
        losses += train_step(state, recipe, sample_batch(pairs, recipe, state.step), state.seconds / budget)
        state.seconds = resumed + time.monotonic() - before
        if state.step % 50 == 0:
            speed = 50 / (state.seconds - shown)
            log.info(
                "step %d  %.0f s of %.0f  loss %.5f  %.1f steps/s",
                state.step,
                state.seconds,
                budget,
                losses / 50,
                speed,
            )
            shown, losses = state.seconds, 0.0
        if state.seconds - saved > 60:
            state.save(checkpoint, recipe)
            saved = state.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of clips")
    parser.add_argument("--out", type=Path, required=True, help="weights file to write")
    parser.add_argument("--minutes", type=float, default=Recipe().minutes)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--licence", default="", help="what the card shall say of the clips' licence")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint beside --out")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe = Recipe(minutes=args.minutes, seed=args.seed)
    checkpoint = args.out.with_suffix(".checkpoint")
    pairs = load_pairs(args.data, recipe.config.scale, seed=recipe.seed, least=recipe.patch)
    state = State.load(checkpoint, recipe) if args.resume and checkpoint.exists() else State.fresh(recipe)
    train(pairs, recipe, state, checkpoint)
    header = {
        "model": "enhance/restorer",
        "name": recipe.name,
        "config": dataclasses.asdict(recipe.config),
        "recipe": dataclasses.asdict(recipe),
        "data": {"sha256": digest(args.data), "clips": len(pairs), "licence": args.licence},
        "steps": state.step,
    }
    save_weights(args.out, state.average, header)
    checkpoint.unlink(missing_ok=True)
    log.info("%s", json.dumps(header))


if __name__ == "__main__":
    main()
