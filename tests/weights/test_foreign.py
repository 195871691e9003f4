"""Weights of other projects compute what they did there; files that are none are refused by what is in them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

import foreigners
import tiny
from vidwright import models
from vidwright.core.errors import ModelRefused
from vidwright.nn.picture import PictureModel
from vidwright.weights import foreign


def load(path: Path) -> PictureModel:
    return models.load(*models.parse("enhance", str(path)), kind=PictureModel, device="cpu", dtype="fp32")


def assert_computes(path: Path, wanted: Tensor, x: Tensor) -> PictureModel:
    net = load(path)
    torch.testing.assert_close(net(x[:, None]), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
    return net


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "4x_of_any_name.safetensors"


@pytest.fixture
def x() -> Tensor:
    return torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("ups", [0, 1, 2])
@pytest.mark.parametrize("spelling", foreigners.ESRGAN)
def test_esrgan_in_every_spelling(path, x, spelling, ups):
    state = foreigners.esrgan(spelling, ups=ups)
    foreigners.write(path, state)
    net = assert_computes(path, foreigners.run_esrgan(state, x, spelling, ups=ups), x)
    assert foreign.identify(path)["config"] == {
        "scale": 2**ups, "unshuffle": 1, "channels": 6, "growth": 4, "depth": 2,
    }  # fmt: skip
    assert net.needs.scale == 2**ups


@pytest.mark.parametrize(("unshuffle", "scale"), [(2, 2), (4, 1)])
def test_esrgan_of_a_folded_picture(path, x, unshuffle, scale):
    state = foreigners.esrgan(inputs=3 * unshuffle**2)
    foreigners.write(path, state)
    net = assert_computes(path, foreigners.run_esrgan(state, x, unshuffle=unshuffle), x)
    assert (net.needs.scale, net.needs.multiple_of) == (scale, unshuffle)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_compact(path, x, scale):
    state = foreigners.compact(scale=scale)
    foreigners.write(path, state)
    assert_computes(path, foreigners.run_compact(state, x, scale=scale), x)
    assert foreign.identify(path) == {
        "model": "enhance/compact", "config": {"scale": scale, "channels": 5, "depth": 3},
    }  # fmt: skip


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("branched", [True, False])
def test_span(path, x, branched, centred, scale):
    state = foreigners.span(scale=scale, branched=branched, centred=centred)
    foreigners.write(path, state)
    assert_computes(path, foreigners.run_span(state, x, scale=scale), x)
    assert foreign.identify(path)["config"] == {"scale": scale, "channels": 4, "centred": centred}


@pytest.mark.parametrize("wrapper", ["params.", "params_ema.", "module.", "params.module.", "state_dict.netG."])
def test_what_trainers_put_around_a_network_is_taken_off(path, x, wrapper):
    state = foreigners.compact()
    foreigners.write(path, state, lambda name: wrapper + name)
    assert_computes(path, foreigners.run_compact(state, x), x)


def test_of_two_networks_the_average_counts(path, x):
    average, latest = foreigners.compact(), foreigners.compact(depth=5)
    both = {f"params_ema.{name}": t for name, t in average.items()} | {
        f"params.{name}": t for name, t in latest.items()
    }
    foreigners.write(path, both)
    assert_computes(path, foreigners.run_compact(average, x), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_computed_in_ours(path, x, dtype):
    for state, run in ((foreigners.compact(), foreigners.run_compact), (foreigners.span(), foreigners.run_span)):
        rough = {name: t.to(dtype) for name, t in state.items()}
        foreigners.write(path, rough)
        net = assert_computes(path, run({name: t.float() for name, t in rough.items()}, x), x)
        assert {p.dtype for p in net.parameters()} == {torch.float32}


def test_a_file_with_our_card_is_left_to_it(path):
    tiny.weights(path)
    assert foreign.identify(path)["name"] == "test"
    assert foreign.read(path)[1]["model"] == "enhance/restorer"


def changed(state: dict[str, Tensor], **changes: Tensor | None) -> dict[str, Tensor]:
    """Tensors replaced, or taken out where the change is None; `__` stands for a dot."""
    new = state | {name.replace("__", "."): tensor for name, tensor in changes.items() if tensor is not None}
    return {name: t for name, t in new.items() if changes.get(name.replace(".", "__"), t) is not None}


def renumbered(state: dict[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    return {name.replace(old, new): tensor for name, tensor in state.items()}


KERNEL = torch.zeros(5, 5, 3, 3)
REFUSED = {
    "a low-rank change": ({"lora_down.weight": KERNEL}, "holds 1 tensors such as 'lora_down.weight': not an upscaler"),
    "no tensors": ({}, "holds 0 tensors: not an upscaler"),
    "a tensor missing": (changed(foreigners.compact(), body__2__bias=None), "Compact, but it has no tensor"),
    "one too many": (changed(foreigners.compact(), head=KERNEL), "Compact, but it has no place for tensor 'head'"),
    "no parameters in activations": (renumbered(foreigners.compact(), "body.1.", "body.99."), "no telling"),
    "a layer missing": (renumbered(foreigners.compact(), "body.6.", "body.16."), "5 of 9 layers"),
    "another kernel": (changed(foreigners.compact(), body__2__weight=torch.zeros(5, 5, 5, 5)), "is (5, 5, 5, 5) and"),
    "one slope for all": (changed(foreigners.compact(), body__1__weight=torch.zeros(1)), "is (1,) and not (5,)"),
    "integers": (changed(foreigners.compact(), body__2__bias=torch.zeros(5, dtype=torch.int32)), "of type 'I32'"),
    "no sides": (changed(foreigners.compact(), body__2__weight=torch.zeros(5, 0, 3, 3)), "has no sound shape"),
    "not finite": (changed(foreigners.compact(), body__2__bias=torch.full((5,), torch.nan)), "not finite"),
    "grey": (changed(foreigners.compact(), body__0__weight=torch.zeros(5, 1, 3, 3)), "12 channels from 1"),
    "a number without end": ({**foreigners.compact(), f"body.{'9' * 5000}.weight": KERNEL}, "no place for tensor"),
    "other digits": (renumbered(foreigners.compact(), "body.2.", "body.\N{ARABIC-INDIC DIGIT TWO}."), "no place for"),
    "ESRGAN of four channels": (foreigners.esrgan(inputs=4), "3 channels from 4"),
    "ESRGAN that shrinks": (foreigners.esrgan(inputs=48, ups=1), "smaller"),
    "ESRGAN with a branch more": (
        changed(foreigners.esrgan("first"), **{"model__1__sub__0__RDB1__conv1x1__weight": KERNEL}),
        "ESRGAN, but it has no place for tensor 'model.1.sub.0.RDB1.conv1x1.weight'",
    ),
    "ESRGAN counted otherwise": (renumbered(foreigners.esrgan("first"), "model.10.", "model.11."), "no place for"),
    "ESRGAN with a gap": (renumbered(foreigners.esrgan(), "body.1.", "body.2."), "2 of 3 layers"),
    "ESRGAN without an end": (changed(foreigners.esrgan(), conv_last__weight=None), "no kernel for 'exit'"),
    "SPAN with half a branch": (changed(foreigners.span(), conv_2__sk__bias=None), "no tensor 'conv_2.sk.bias'"),
    "SPAN with a scalar": (changed(foreigners.span(), conv_1__conv__0__weight=torch.tensor(1.0)), "is () and not"),
    "SPAN with a wide branch": (changed(foreigners.span(), conv_2__sk__weight=torch.zeros(4, 999, 1, 1)), "is (4, 999"),
    "SPAN of no scale": (
        changed(foreigners.span(), upsampler__0__weight=torch.zeros(7, 4, 3, 3), upsampler__0__bias=torch.zeros(7)),
        "7 channels",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_known_upscaler_is_refused_by_what_is_in_it(path, case):
    state, words = REFUSED[case]
    foreigners.write(path, state)
    began = time.process_time()
    with pytest.raises(ModelRefused) as error:
        load(path)
    assert time.process_time() - began < 1
    assert words in error.value.cause and error.value.subject == str(path)
    assert len(str(error.value).splitlines()) == 3


def test_a_network_too_large_for_its_config_is_refused_before_it_is_built(path):
    foreigners.write(path, foreigners.compact(scale=9))
    with pytest.raises(ModelRefused, match="scale must be from 1 to 8"):
        load(path)


@pytest.mark.parametrize("ending", [".pth", ".pt", ".ckpt"])
def test_pickles_are_refused_with_the_way_out(tmp_path, ending):
    with pytest.raises(ModelRefused, match=r"can run code[^$]*convert it to \.safetensors"):
        models.parse("enhance", str(tmp_path / f"net{ending}"))


def test_weights_of_a_family_are_not_those_of_another_model(path):
    foreigners.write(path, foreigners.compact())
    with pytest.raises(ModelRefused, match="weights of 'enhance/compact'"):
        models.load("enhance/esrgan", path)


@pytest.mark.parametrize("model", ["esrgan", "compact", "span"])
def test_a_network_without_weights_is_not_run(model):
    with pytest.raises(ModelRefused, match="no weights of it are in the package"):
        models.load(*models.parse("enhance", model), device="cpu", scale=3)
