"""Weights come back as they were; everything else is refused by its content, quickly, and nothing in it is run."""

from __future__ import annotations

import json
import math
import pickle
import re
import struct
import time
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

import tiny
from vidwright import models
from vidwright.core.errors import ModelRefused
from vidwright.core.files import sha256
from vidwright.weights.store import KEY, MAX_HEADER_BYTES, MAX_TENSORS, read_header, read_weights, save_weights

CARD = {"format": 1, "model": "enhance/restorer", "name": "test", "config": {"channels": 8, "depth": 3, "parts": 2}}


def test_tensors_and_card_come_back(tmp_path):
    tensors = {"b": torch.randn(2, 3), "a": torch.arange(4, dtype=torch.int64), "half": torch.randn(3).bfloat16()}
    save_weights(tmp_path / "w", tensors, {"model": "x", "numbers": [1, 2.5]})
    found, header = read_weights(tmp_path / "w")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
    assert header == {"format": 1, "model": "x", "numbers": [1, 2.5]} == read_header(tmp_path / "w")


def test_equal_content_gives_equal_bytes(tmp_path):
    one, two = torch.randn(4, 4), torch.randn(2)
    save_weights(tmp_path / "1", {"a": one, "b": two}, {"x": 1, "y": 2})
    save_weights(tmp_path / "2", {"b": two.clone(), "a": one.t().contiguous().t()}, {"y": 2, "x": 1})
    assert sha256(tmp_path / "1") == sha256(tmp_path / "2")


def test_a_loaded_model_computes_what_the_saved_one_did(tmp_path):
    path = tiny.weights(tmp_path / "any name")
    net = models.load("enhance/restorer", path, device="cpu", dtype="fp32")
    x = torch.rand(1, 3, 3, 8, 8)
    torch.testing.assert_close(net(x), tiny.randomise(tiny.Net(tiny.CONFIG))(x), rtol=0, atol=1e-6)
    assert not net.training and not any(p.requires_grad for p in net.parameters())


def raw(header: bytes | dict, data: bytes = b"") -> bytes:
    """A safetensors file by hand."""
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    return struct.pack("<Q", len(text)) + text + data


def with_card(tensors: dict, data: bytes = b"", card: object = None) -> bytes:
    return raw({"__metadata__": {KEY: json.dumps(CARD if card is None else card)}, **tensors}, data)


def floats(*shape: int, begin: int = 0, length: int | None = None) -> dict:
    size = 4 * math.prod(shape) if length is None else length
    return {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, begin + size]}


class Bomb:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return Path.touch, (self.canary,)


def zipped(path: Path, canary: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:  # as torch.save would write it
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb(canary)))


def duplicated(entry: str) -> bytes:
    card = json.dumps({KEY: json.dumps(CARD)})
    one = json.dumps(floats(1))
    twice = {"tensor": f'"a": {one}, "a": {one}', "metadata": f'"__metadata__": {card}, "a": {one}'}[entry]
    return raw(f'{{"__metadata__": {card}, {twice}}}'.encode(), bytes(4))


FOREIGN = {
    "empty": b"",
    "one byte": b"\0",
    "text": b"these are no weights at all",
    "header of 4 GB": struct.pack("<Q", 2**32) + b"{" + bytes(100),
    "header of 2^64 - 1": b"\xff" * 8 + b"{" + bytes(100),
    "header longer than the file": struct.pack("<Q", 500) + b"{" + bytes(100),
    "a million tensors": raw(("{" + ",".join(f'"{n}":{{}}' for n in range(10**6)) + "}").encode()),
    "header above the limit": raw(b'{"__metadata__": {"x": "' + b"x" * MAX_HEADER_BYTES + b'"}}'),
    "header that is not JSON": raw(b"{" + b"\xff" * 50),
    "header that is a list": raw(b"[]      "),
    "deeply nested header": raw(b'{"a":' * 20000),
    "duplicate tensor": duplicated("tensor"),
    "duplicate metadata": duplicated("metadata"),
    "overlapping offsets": with_card({"a": floats(2), "b": floats(2, begin=4)}, bytes(12)),
    "hole between offsets": with_card({"a": floats(1), "b": floats(1, begin=8)}, bytes(12)),
    "offsets beyond the file": with_card({"a": floats(1000)}, bytes(4)),
    "data behind the last offset": with_card({"a": floats(1)}, bytes(100)),
    "shape that overflows": with_card({"a": floats(2**40, 2**40, length=4)}, bytes(4)),
    "shape that is not its bytes": with_card({"a": floats(3, length=4)}, bytes(4)),
    "unknown dtype": with_card({"a": {"dtype": "OBJ", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "no card": raw({"a": floats(1)}, bytes(4)),
    "card that is not JSON": raw({"__metadata__": {KEY: "{"}}),
    "card that is a list": with_card({}, card=[1]),
    "card of 100,000 brackets": raw({"__metadata__": {KEY: "[" * 100_000}}),
    "other format version": with_card({}, card=CARD | {"format": 2}),
    "no format version": with_card({}, card={"model": "enhance/restorer"}),
}


def refused(path: Path, model: str = "enhance/restorer") -> str:
    began = time.monotonic()
    with pytest.raises(ModelRefused) as error:
        models.load(model, path, device="cpu")
    assert time.monotonic() - began < 1
    assert len(str(error.value).splitlines()) == 3
    return str(error.value)


@pytest.mark.parametrize("case", FOREIGN)
def test_foreign_and_damaged_files_are_refused(tmp_path, case):
    path = tmp_path / "w.safetensors"
    path.write_bytes(FOREIGN[case])
    with pytest.raises(ModelRefused, match=re.escape(str(path))):
        read_weights(path)  # by itself: not only because they fit no model
    refused(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".SafeTensors", ".pt"])
@pytest.mark.parametrize("kind", ["pickle", "zip"])
def test_what_could_run_code_is_refused_and_does_not_run(tmp_path, kind, suffix):
    path, canary = tmp_path / f"w{suffix}", tmp_path / "canary"
    if kind == "zip":
        zipped(path, canary)
    else:
        path.write_bytes(pickle.dumps(Bomb(canary)))
    refused(path)
    assert not canary.exists()
    pickle.loads(pickle.dumps(Bomb(canary)))
    assert canary.exists()  # so it would have been seen


def test_too_many_tensors_are_refused(tmp_path):
    names = {f"{n:x}": torch.zeros(0, dtype=torch.uint8) for n in range(MAX_TENSORS + 1)}
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors.torch.save(names, metadata={KEY: json.dumps(CARD)}))
    assert path.stat().st_size < MAX_HEADER_BYTES  # so it is the count that is refused
    assert "more than" in refused(path)


def test_every_truncation_is_refused(tmp_path):
    whole = tiny.weights(tmp_path / "whole").read_bytes()
    path = tmp_path / "w.safetensors"
    for length in [*range(0, len(whole), len(whole) // 40), len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    net = tiny.randomise(tiny.Net(tiny.CONFIG))
    state = net.state_dict()
    state["convs.1.shared"][0, 0, 0, 0] = value
    save_weights(tmp_path / "w", state, CARD)
    assert "'convs.1.shared' holds values that are not finite" in refused(tmp_path / "w")


def changed(change: str) -> dict[str, torch.Tensor]:
    state = tiny.randomise(tiny.Net(tiny.CONFIG)).state_dict()
    bias = state["convs.0.bias"]
    match change:
        case "wrong name":
            state["convs.0.offset"] = state.pop("convs.0.bias")
        case "one missing":
            del state["convs.0.bias"]
        case "one too many":
            state["extra"] = torch.zeros(1)
        case "wrong shape":
            state["convs.0.bias"] = torch.zeros(bias.numel() + 1)
        case "shape that would broadcast":
            state["convs.0.bias"] = torch.zeros(1)
        case "integers":
            state["convs.0.bias"] = bias.to(torch.int32)
    return state


@pytest.mark.parametrize(
    "change",
    ["wrong name", "one missing", "one too many", "wrong shape", "shape that would broadcast", "integers"],
)
def test_tensors_that_are_not_the_models_are_refused(tmp_path, change):
    save_weights(tmp_path / "w", changed(change), CARD)
    refused(tmp_path / "w")


@pytest.mark.parametrize(
    "config",
    [
        {"channels": 16, "depth": 3, "parts": 2},
        {"channels": 8, "depth": 4, "parts": 2},
        {"channels": 10**9, "depth": 3, "parts": 2},
        {"channels": 8, "depth": 10**9, "parts": 2},
        {"channels": 8, "depth": -3},
        {"channels": "8"},
        {"channels": 8.0},
        {"colour": 8},
        [8, 3, 4],
        None,
    ],
    ids=str,
)
def test_a_config_of_another_shape_is_refused(tmp_path, config):
    state = tiny.randomise(tiny.Net(tiny.CONFIG)).state_dict()
    save_weights(tmp_path / "w", state, CARD | {"config": config})
    refused(tmp_path / "w")


@pytest.mark.parametrize("model", ["enhance/lanczos", "enhance/other", "../../etc/passwd", None, ["enhance/restorer"]])
def test_weights_of_another_model_are_refused(tmp_path, model):
    refused(tiny.weights(tmp_path / "w", model=model))


def test_missing_files_folders_and_names_are_refused(tmp_path):
    assert "cannot be read" in refused(tmp_path / "none")
    assert "cannot be read" in refused(tmp_path)
    for name in ("no-such-set", "../secret"):
        with pytest.raises(ModelRefused, match="no such weights"):
            models.load("enhance/restorer", name)
    with pytest.raises(ModelRefused, match="did you mean enhance/restorer"):
        models.load("enhance/restore")


def test_a_device_that_is_not_there_is_refused():
    for device in ("cuda:77", "nonsense"):
        with pytest.raises(ModelRefused, match="no such device"):
            models.load("enhance/lanczos", device=device)
