"""How a cleaner is judged, and what its recipes ask for."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import media
from vidwright.metrics.psnr import psnr, psnr_y
from vidwright.models.enhance.cleaner import RESIDUAL_SCALE, Config, Net
from vidwright.train import cleaning
from vidwright.train.cleaning import CODED, DAMAGES, UNSEEN, cleaned, quality
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipes.cleaner import LEAST_ERROR, Cleaning, best, damage_of, fast


def frames(count: int = 3) -> torch.Tensor:
    pictures = [torch.from_numpy(media.picture(n, (48, 32))).permute(2, 0, 1) for n in range(count)]
    return torch.stack(pictures)


def untrained(radius: int = 1) -> Net:
    """Gives what it is given."""
    torch.manual_seed(0)
    return Net(Config(radius=radius, align=False, widths=(4, 6), estimate=4))


@pytest.fixture
def folder(tmp_path) -> Path:
    media.clip(tmp_path / "a.mkv", frames=17)
    return tmp_path


@pytest.mark.parametrize("sigma", [10, 25])
def test_noise_is_numpys_as_it_has_been_published(sigma):
    clean = torch.full((2, 3, 8, 16), 128, dtype=torch.uint8)
    found = cleaning.white(sigma)(clean).permute(0, 2, 3, 1).numpy()
    z = np.random.default_rng(1234).standard_normal((2, 8, 16, 3))
    np.testing.assert_array_equal(found, np.clip(np.rint(128 + sigma * z), 0, 255).astype(np.uint8))


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_as_bad_as_it_says(damage):
    clean = frames()
    seen = DAMAGES[damage](clean)
    assert seen.shape == clean.shape and seen.dtype == torch.uint8
    found = quality(damage, seen, clean)
    least, most = {"sigma25": (20, 23), "sigma10": (28, 31), "crf37": (20, 42), "crf15": (38, 60)}[damage]
    assert least < found < most


def test_the_figure_is_of_luma_without_border_where_a_codec_was_at_work():
    one, other = frames(), DAMAGES["crf37"](frames())
    lumas = [psnr_y(a, b, border=0) for a, b in zip(one, other, strict=True)]
    colours = [psnr(a, b, peak=255) for a, b in zip(one, other, strict=True)]
    assert {damage: pytest.approx(quality(damage, one, other)) for damage in DAMAGES} == {
        damage: sum(values) / 3 for damage in DAMAGES for values in [lumas if damage in CODED else colours]
    }


def test_what_changes_nothing_is_judged_as_the_input(folder):
    found = Cleaning(radius=1).evaluate(untrained(), folder, "all", 0, None)
    metrics = {name: value or 0.0 for name, value in found.metrics.items()}
    assert metrics["change.crf15"] == 0
    assert metrics["psnr.sigma25"] == pytest.approx(20.4, abs=0.5)
    seen = [value for name, value in metrics.items() if name.startswith("psnr.")]
    assert len(seen) == len(DAMAGES) - len(UNSEEN) and metrics["psnr"] == pytest.approx(sum(seen) / len(seen))
    assert [picture.shape for picture in found.pictures.values()] == [(3, 48, 3 * 64)]


def test_the_outputs_are_what_the_model_gives(folder):
    outputs = list(Cleaning(radius=1).outputs(untrained(), folder, "all", None))
    assert len(outputs) == len(DAMAGES)
    for (output, target), damage in zip(outputs, DAMAGES.values(), strict=True):
        assert torch.equal(output, damage(target)) and torch.equal(output, cleaned(untrained(), damage(target)))


@pytest.mark.parametrize("margin", [0, 8])
def test_the_losses_are_the_damage_that_is_left_and_the_error_in_how_much_there_was(margin):
    task = Cleaning(radius=1, patch=16, margin=margin, luma_weight=2.0, damage_weight=0.5)
    clean = torch.full((2, 3, 16 + 2 * margin, 16 + 2 * margin), 100, dtype=torch.uint8)
    seen = clean + torch.tensor([0, 8], dtype=torch.uint8).view(2, 1, 1, 1)
    net = untrained().requires_grad_(False)
    batch = {"seen": seen[:, None].expand(-1, 3, -1, -1, -1), "clean": clean}
    losses = task.objective(net, batch)
    octaves = torch.tensor([math.log2(LEAST_ERROR), math.log2(8**2 + LEAST_ERROR**2) / 2])
    assert float(losses["rgb"]) == pytest.approx(float(octaves.mean()), rel=1e-3)
    assert float(losses["luma"]) == pytest.approx(2 * float(octaves.mean()), rel=1e-3)
    _, damage = net(batch["seen"].float() / 255, margin=margin, with_damage=True)
    assert float(losses["damage"]) == pytest.approx(0.5 * float((damage - octaves).abs().mean()), rel=1e-3)


def test_an_octave_less_is_six_decibels():
    error = torch.tensor([[16.0, -16.0], [8.0, 8.0]]) / 255
    assert damage_of(error).tolist() == pytest.approx([4, 3], abs=0.02)


def test_a_few_steps_lower_the_loss(folder):
    task = Cleaning(radius=1, patch=32, mix=(("white", 1.0),))
    samples = task.samples(folder, "all", 0)
    batch = {name: torch.stack([samples.sample(0, k)[name] for k in range(4)]) for name in ("seen", "clean")}
    net = untrained()
    (optimiser,) = Optimiser(learning_rate=2e-3).build(net)
    losses: list[dict[str, float]] = []
    for _ in range(60):
        found = task.objective(net, batch)
        optimiser.zero_grad()
        torch.stack(list(found.values())).sum().backward()
        optimiser.step()
        losses.append({name: float(loss.detach()) for name, loss in found.items()})
    assert all(losses[-1][name] < losses[0][name] - 0.03 for name in ("rgb", "luma", "damage"))
    assert losses[0]["harm"] == 0 and losses[-1]["harm"] < 0.01  # where there is noise, to take it away does none


def test_harm_is_what_cleaning_adds_to_the_damage():
    """16 code values of grey on top: of a sample that was clean, and of one that was darker by as much."""
    net, clean = untrained(), torch.full((2, 3, 32, 32), 128, dtype=torch.uint8)
    seen = clean[:, None].repeat(1, 3, 1, 1, 1)
    seen[1] -= 16
    with torch.no_grad():
        net.estimate.damage.bias.fill_(3.0)  # enough for the gate to be open
        net.unet.exit.bias.fill_(16 / 255 / RESIDUAL_SCALE)
        found = Cleaning(radius=1, harm_weight=2.0).objective(net, {"seen": seen, "clean": clean})
    damage = math.log2(16**2 + LEAST_ERROR**2) / 2
    assert float(found["harm"]) == pytest.approx(2.0 * damage / 2, rel=1e-3)  # times the weight, mean of two samples
    assert float(found["luma"]) == pytest.approx(damage / 2, rel=1e-3)


@pytest.mark.parametrize("recipe", [fast(), best()], ids=lambda recipe: recipe.weights)
def test_recipes_show_the_network_what_it_asks_for(recipe):
    net = Net(recipe.config)
    assert net.needs.warmup == net.needs.lookahead == recipe.task.radius
    assert recipe.task.margin == 0 or recipe.config.align


@pytest.mark.parametrize(
    "change", [{"radius": -1}, {"patch": 20}, {"margin": -8}, {"mix": (("fog", 1.0),)}, {"mix": ()}]
)
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(ValueError, match=r"radius and margin must|mix must"):
        Cleaning(**change)
