"""I3D against its layers written out, with random weights: the trained ones are not ours to ship."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from vidwright.core.errors import ModelRefused
from vidwright.data.seeding import generator
from vidwright.metrics.frechet import frechet_distance
from vidwright.metrics.fvd import I3d, fvd, kvd
from vidwright.metrics.given import load_given
from vidwright.metrics.kernel import kernel_distance
from vidwright.metrics.metric import Metric


def _random_tensors() -> dict[str, Tensor]:
    draw = generator(1)
    tensors = {}
    for name, like in I3d().state_dict().items():
        spread = 0.1 if like.ndim == 1 else (2 / like[0].numel()) ** 0.5
        tensors[name] = torch.randn(like.shape, generator=draw) * spread
        if name.endswith(("bn.weight", "running_var")):
            tensors[name] = 1 + tensors[name].abs()
    return tensors


def _written_out(clip_TCHW: Tensor, t: dict[str, Tensor]) -> Tensor:
    def padded(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        sizes = [math.ceil(size / step) for size, step in zip(x.shape[2:], stride, strict=True)]
        for axis, (size, k, step) in enumerate(zip(sizes, kernel, stride, strict=True)):
            missing = max((size - 1) * step + k - x.shape[axis + 2], 0)
            shape = list(x.shape)
            for count, parts in ((missing // 2, (0, 1)), (missing - missing // 2, (1, 0))):
                shape[axis + 2] = count
                zeros = torch.zeros(shape)
                x = torch.cat([(zeros, x)[part] for part in parts], dim=axis + 2)
                shape[axis + 2] = x.shape[axis + 2]
        return x

    def unit(x: Tensor, name: str, step: int = 1) -> Tensor:
        kernel = t[f"{name}.conv3d.weight"]
        x = F.conv3d(padded(x, tuple(kernel.shape[2:]), (step,) * 3), kernel, stride=step)
        scale = t[f"{name}.bn.weight"] / (t[f"{name}.bn.running_var"] + 0.001).sqrt()
        shift = t[f"{name}.bn.bias"] - t[f"{name}.bn.running_mean"] * scale
        return (x * scale[:, None, None, None] + shift[:, None, None, None]).clamp(min=0)

    def maximum(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
        return F.max_pool3d(padded(x, kernel, stride), kernel, stride)

    def mixed(x: Tensor, name: str) -> Tensor:
        second, third = (unit(unit(x, f"{name}.b{k}a"), f"{name}.b{k}b") for k in (1, 2))
        fourth = unit(maximum(x, (3, 3, 3), (1, 1, 1)), f"{name}.b3b")
        return torch.cat([unit(x, f"{name}.b0"), second, third, fourth], dim=1)

    x = F.interpolate(clip_TCHW, (224, 224), mode="bilinear").sub(0.5).mul(2).transpose(0, 1)[None]
    x = maximum(unit(x, "Conv3d_1a_7x7", 2), (1, 3, 3), (1, 2, 2))
    x = maximum(unit(unit(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3"), (1, 3, 3), (1, 2, 2))
    x = maximum(mixed(mixed(x, "Mixed_3b"), "Mixed_3c"), (3, 3, 3), (2, 2, 2))
    for letter in "bcdef":
        x = mixed(x, f"Mixed_4{letter}")
    x = mixed(mixed(maximum(x, (2, 2, 2), (2, 2, 2)), "Mixed_5b"), "Mixed_5c")
    x = F.avg_pool3d(x, (2, 7, 7), stride=1).mean(dim=(2, 3, 4))
    return F.linear(x, t["logits.conv3d.weight"].flatten(1), t["logits.conv3d.bias"])[0]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "i3d.safetensors"
    save_file(_random_tensors(), path)
    return path


def test_is_i3d(weights: Path):
    net, clip = I3d(), torch.rand(9, 3, 24, 31, generator=generator(2))
    load_given(net, weights, metric="fvd")
    with torch.inference_mode():
        found, expected = net(clip[None])[0], _written_out(clip, _random_tensors())
    assert found.std() > 0.01
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


def test_fvd_and_kvd_are_the_two_distances(weights: Path):
    features = torch.randn(2, 5, 400, generator=generator(3))
    x, y = features[0], features[1] + 0.5
    frechet, kernel = fvd(weights), kvd(weights)
    for metric, name in ((frechet, "fvd"), (kernel, "kvd")):
        metric.add(x, y)
        assert isinstance(metric, Metric) and (metric.name, metric.better) == (name, "lower")
    (mean, covariance), (mean2, covariance2) = ((z.double().mean(dim=0), z.double().T.cov()) for z in (x, y))
    assert frechet.result() == frechet_distance(mean, covariance, mean2, covariance2)
    assert kernel.result() == kernel_distance(x, y)


def test_has_the_names_and_the_size_of_the_usual_file():
    shapes = {name: tuple(tensor.shape) for name, tensor in I3d().state_dict().items()}
    assert shapes["Conv3d_1a_7x7.conv3d.weight"] == (64, 3, 7, 7, 7)
    assert shapes["Mixed_4f.b2b.bn.running_var"] == (128,)
    assert shapes["logits.conv3d.weight"] == (400, 1024, 1, 1, 1)
    assert sum(parameter.numel() for parameter in I3d().parameters()) == 12_697_264  # the published RGB network
    assert not any("num_batches" in name for name in shapes)


def test_short_and_grey_clips_are_refused():
    net = I3d()
    with pytest.raises(ValueError, match="9 pictures of 3 channels or more, got 8 of 3"):
        net(torch.zeros(1, 8, 3, 16, 16))
    with pytest.raises(ValueError, match="got 9 of 1"):
        net(torch.zeros(1, 9, 1, 16, 16))
    with pytest.raises(ValueError, match=r"got torch\.uint8"):
        net(torch.zeros(1, 9, 3, 16, 16, dtype=torch.uint8))


@pytest.mark.parametrize(("make", "name"), [(fvd, "fvd"), (kvd, "kvd")])
def test_without_weights_they_are_not_measured(make, name: str):
    with pytest.raises(ModelRefused, match=rf"{name}\n.*not measured"):
        make(None)
