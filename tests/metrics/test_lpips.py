"""LPIPS against its formula written out, with random weights: the trained ones are not ours to ship."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from vidwright.core.errors import ModelRefused
from vidwright.data.seeding import generator
from vidwright.metrics.lpips import Lpips, LpipsNet


def _random_tensors() -> dict[str, Tensor]:
    draw = generator(1)
    tensors = {}
    for name, like in LpipsNet().state_dict().items():
        tensors[name] = torch.randn(like.shape, generator=draw) / like[0].numel() ** 0.5
        if name.startswith("lin"):
            tensors[name].abs_()  # the trained ones are not negative
    return tensors


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "lpips.safetensors"
    save_file(_random_tensors(), path)
    return path


def _pictures(height: int = 47, width: int = 52) -> tuple[Tensor, Tensor]:
    one, other = torch.rand(2, 3, height, width, generator=generator(2)).unbind()
    return one, other


def _written_out(one: Tensor, other: Tensor, t: dict[str, Tensor]) -> float:
    """The paper's equation 1, stage by stage and picture by picture."""
    layers = [("0", 4, 2), ("3", 1, 2), ("6", 1, 1), ("8", 1, 1), ("10", 1, 1)]
    mean, deviation = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    maps = [((2 * picture - 1).movedim(0, -1) - mean).div(deviation).movedim(-1, 0) for picture in (one, other)]
    total = 0.0
    for stage, (name, stride, padding) in enumerate(layers):
        if name in ("3", "6"):
            maps = [F.max_pool2d(m, kernel_size=3, stride=2) for m in maps]
        kernel, bias = t[f"features.{name}.weight"], t[f"features.{name}.bias"]
        maps = [F.conv2d(m[None], kernel, bias, stride, padding)[0].clamp(min=0) for m in maps]
        units = [m / m.pow(2).sum(dim=0).sqrt() for m in maps]
        weighting = t[f"lin{stage}.model.1.weight"].flatten()
        total += float(((units[0] - units[1]) ** 2 * weighting[:, None, None]).sum(dim=0).mean())
    return total


def test_is_the_formula_of_the_paper(weights: Path):
    metric = Lpips(weights)
    metric.update(*_pictures())
    assert metric.result() == pytest.approx(_written_out(*_pictures(), _random_tensors()), rel=1e-4)


def test_has_the_names_and_sizes_of_the_usual_files():
    shapes = {name: tuple(tensor.shape) for name, tensor in LpipsNet().state_dict().items()}
    assert shapes["features.0.weight"] == (64, 3, 11, 11) and shapes["features.10.bias"] == (256,)
    assert [shapes[f"lin{stage}.model.1.weight"] for stage in range(5)] == [
        (1, channels, 1, 1) for channels in (64, 192, 384, 256, 256)
    ]
    convolutions = sum(t.numel() for name, t in LpipsNet().state_dict().items() if name.startswith("features"))
    assert convolutions == 2_469_696  # AlexNet's 61,100,840 less the 58,631,144 of its three dense layers
    assert len(shapes) == 15


def test_is_zero_for_equal_pictures_symmetric_and_grows_with_noise(weights: Path):
    one, other = _pictures()
    noises = [0.0, 0.05, 0.2]
    results = []
    for noise in noises:
        forth, back = Lpips(weights), Lpips(weights)
        forth.update(one.lerp(other, noise), one)
        back.update(one, one.lerp(other, noise))
        assert forth.result() == pytest.approx(back.result(), rel=1e-5)
        results.append(forth.result())
    assert results[0] == 0 and results == sorted(results) and results[1] > 0


def test_gradients_are_finite_even_where_pictures_are_equal_and_black():
    net, picture = LpipsNet(), torch.zeros(1, 3, 40, 40, requires_grad=True)
    net.load_state_dict(_random_tensors())
    net(picture, torch.zeros(1, 3, 40, 40)).sum().backward()
    assert picture.grad is not None and bool(torch.isfinite(picture.grad).all())


def test_merging_parts_is_measuring_the_whole_picture_by_picture(weights: Path):
    one, other = _pictures()
    whole, first, second = Lpips(weights), Lpips(weights), Lpips(weights)
    for part in (whole, first):
        part.update(one, other)
    for part in (whole, second):
        part.update(one, one)
    second.merge(first)
    assert second.result() == whole.result()


def test_pictures_that_alexnet_cannot_see_are_refused(weights: Path):
    with pytest.raises(ValueError, match="31x31 pixels, got 3 of 40x30"):
        Lpips(weights).update(torch.zeros(3, 30, 40), torch.zeros(3, 30, 40))
    with pytest.raises(ValueError, match="got 1 of 40x40"):
        Lpips(weights).update(torch.zeros(1, 40, 40), torch.zeros(1, 40, 40))
    with pytest.raises(ValueError, match=r"got torch\.uint8"):
        Lpips(weights).update(*torch.zeros(2, 3, 40, 40, dtype=torch.uint8))
    edge = Lpips(weights)
    edge.update(torch.zeros(3, 31, 31), torch.ones(3, 31, 31))
    assert edge.result() > 0


def test_without_weights_it_is_not_measured():
    with pytest.raises(ModelRefused, match=r"lpips\n.*not measured.*\n.*docs/metrics\.md"):
        Lpips(None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("lin3.model.1.weight"), "'lin3.model.1.weight' is missing"),
        (lambda t: t.update({"classifier.1.bias": torch.zeros(1)}), "'classifier.1.bias' is none of the network's"),
        (lambda t: t.update({"features.0.bias": torch.zeros(65)}), r"is \(65,\), lpips has \(64,\)"),
        (lambda t: t["features.3.bias"].fill_(torch.nan), "'features.3.bias' holds values that are not finite"),
    ],
)
def test_weights_of_something_else_are_refused(tmp_path: Path, change, words: str):
    tensors = _random_tensors()
    change(tensors)
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(ModelRefused, match=words):
        Lpips(tmp_path / "other.safetensors")


def test_a_file_that_is_no_safetensors_or_no_file_is_refused(tmp_path: Path):
    (tmp_path / "weights.pth").write_bytes(b"PK\3\4 a pickle inside a zip")
    for path in (tmp_path / "weights.pth", tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(ModelRefused, match="cannot be read as safetensors"):
            Lpips(path)
