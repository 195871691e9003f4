"""`VideoGenerator`: compile, fit and predict, as the source document asks for them.

    clips, labels -> batches -> train(state, batches, cross-entropy) -> history
    clips -> network -> softmax -> probabilities

A few lines over the engine for clips that fit in memory; recipes and `vidwright train` are for all else.

Shapes: N clips, T frames, C = 1 channel, H height, W width; K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright import models
from vidwright.core.errors import UsageError
from vidwright.data.loader import Batch, batches
from vidwright.data.samples import Sample
from vidwright.data.seeding import generator
from vidwright.train.loop import Step, train
from vidwright.train.optimiser import Optimiser
from vidwright.train.schedule import Budget
from vidwright.train.state import State

MODEL = "generate/cnn_lstm"


class VideoGenerator:
    """The document's network, convolutions 64-128-256-512, LSTMs 512-256-128-64, dense 128-64-32-`num_classes`.

    `preset` "document" names what a clip shows; "next-frame" gives the probability of every pixel of every next frame.
    `width` scales all layers, 64 being as printed; `config` sets the other fields of `models.generate.cnn_lstm.Config`.
    Clips are float (N, T, 1, H, W) in [0, 1].
    """

    def __init__(
        self,
        *,
        num_classes: int = 10,
        preset: Literal["document", "next-frame"] = "document",
        width: int = 64,
        seed: int = 0,
        **config: Any,
    ) -> None:
        card = models.card(MODEL)
        torch.manual_seed(seed)
        self._config = card.config(preset=preset, width=width, num_classes=num_classes, **config)
        self.net: nn.Module = card.build(self._config)
        self._preset, self._seed = preset, seed
        self._optimiser: Optimiser | None = None

    def compile(
        self,
        *,
        optimiser: Literal["adam", "adamw", "muon"] = "adam",
        loss: Literal["categorical_crossentropy"] = "categorical_crossentropy",
        learning_rate: float = 1e-3,
    ) -> None:
        """Choose how to learn. Raises `UsageError` for an optimiser or a loss that there is not."""
        if loss != "categorical_crossentropy":
            raise UsageError(
                f"loss={loss}", "a softmax is trained by its cross-entropy", "use categorical_crossentropy"
            )
        if optimiser not in ("adam", "adamw", "muon"):
            raise UsageError(f"optimiser={optimiser}", "there is no such optimiser", "use adam, adamw or muon")
        decay = 0.0 if optimiser == "adam" else 0.01  # AdamW without decay is Adam
        kind = "muon" if optimiser == "muon" else "adamw"
        self._optimiser = Optimiser(kind, learning_rate, weight_decay=decay, warmup=20, ema=0.0)

    def fit(
        self,
        clips: Tensor,
        labels: Tensor | None = None,
        *,
        epochs: int = 1,
        batch: int = 32,
        validation: tuple[Tensor, Tensor | None] | None = None,
    ) -> list[dict[str, float]]:
        """Learn `labels` (N,) of `clips`, or their frames; returns the mean loss of each epoch, in nats.

        With `validation`, clips and labels kept aside, each epoch also has their loss, "val_loss", and for labels
        "val_accuracy". Raises `UsageError` before `compile`, and when labels are missing or do not fit.
        """
        if self._optimiser is None:
            raise UsageError("fit", "the model is not compiled", "call compile() first")
        samples = _Labelled(clips, self._labels(clips, labels), self._seed)
        batch = min(batch, len(samples))
        steps = len(samples) // batch
        state = State.fresh(self.net.train(), self._optimiser)
        budget = Budget(steps=epochs * steps)
        source = batches(samples, batch)
        run = train(state, source, self._objective, optimiser=self._optimiser, budget=budget, seed=self._seed)
        history = [self._epoch(run, steps, validation) for _ in range(epochs)]
        source.close()
        self.net.eval()
        return history

    @torch.inference_mode()
    def predict(self, clips: Tensor, *, batch: int = 32) -> Tensor:
        """Probabilities: of classes (N, K), or of each pixel of each frame given those before it (N, T, K, H, W)."""
        axis = 1 if self._preset == "document" else 2
        return torch.cat([self.net.eval()(part).float().softmax(dim=axis) for part in clips.split(batch)])

    def _epoch(
        self, run: Iterator[Step], steps: int, validation: tuple[Tensor, Tensor | None] | None
    ) -> dict[str, float]:
        losses = [next(run).loss for _ in range(steps)]
        return {"loss": sum(losses) / steps} | (self._validated(*validation) if validation else {})

    def _validated(self, clips: Tensor, labels: Tensor | None) -> dict[str, float]:
        truth, odds = self._labels(clips, labels), self.predict(clips).log()
        self.net.train()
        if self._preset == "document":
            accuracy = float((odds.argmax(dim=1) == truth).float().mean())
            return {"val_loss": float(F.nll_loss(odds, truth)), "val_accuracy": accuracy}
        return {"val_loss": float(F.nll_loss(odds.transpose(1, 2), truth))}

    def _labels(self, clips: Tensor, labels: Tensor | None) -> Tensor:
        """What is to be predicted: classes of clips (N,), or of their pixels (N, T, H, W)."""
        if clips.ndim != 5 or clips.shape[2] != 1 or len(clips) == 0:
            raise UsageError("clips", f"their shape is {tuple(clips.shape)}", "give (N, T, 1, H, W), N at least 1")
        if self._preset == "next-frame":
            return self.net.quantised(clips[:, :, 0])  # pyright: ignore[reportCallIssue]
        count = self._config.num_classes
        if labels is None or labels.shape != clips.shape[:1] or not bool(((labels >= 0) & (labels < count)).all()):
            raise UsageError("labels", f"they must be one number from 0 to {count - 1} per clip", "give them as (N,)")
        return labels

    def _objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        odds = net(batch["clip"])
        return {"nats": F.cross_entropy(odds if self._preset == "document" else odds.transpose(1, 2), batch["label"])}


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Clips in memory with what is to be predicted of them, in a new order each epoch."""

    clips: Tensor
    labels: Tensor
    seed: int

    def __len__(self) -> int:
        return len(self.clips)

    def sample(self, epoch: int, k: int) -> Sample:
        order = torch.randperm(len(self), generator=generator(self.seed, epoch))
        return {"clip": self.clips[order[k]], "label": self.labels[order[k]]}
