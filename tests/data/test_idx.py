"""idx files: what they hold, and what is said of those that hold nothing good."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from mnist import digits, idx
from vidwright.core.errors import BadInput
from vidwright.data.idx import read_idx


def test_reads_plain_and_packed(tmp_path):
    images = digits(3)
    (tmp_path / "plain").write_bytes(idx(images))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx(images)))
    np.testing.assert_array_equal(read_idx(tmp_path / "plain", 3), images)
    np.testing.assert_array_equal(read_idx(tmp_path / "packed", 3), images)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match="images of MNIST are not there") as caught:
        read_idx(tmp_path / "train-images-idx3-ubyte", 3)
    assert "train-images-idx3-ubyte" in caught.value.subject
    assert str(caught.value).count("\n") == 2


WHOLE = idx(digits(3))
PACKED = gzip.compress(WHOLE)


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("f", b"", "no idx file"),
        ("f", b"<!DOCTYPE html>", "no idx file"),
        ("f", idx(np.zeros(4, np.uint8)), "no idx file"),
        ("f", WHOLE[:10], "no idx file"),
        ("f", WHOLE[:-1], "should hold 2352 values and holds 2351"),
        ("f", WHOLE + b"x", "should hold 2352 values and holds 2353"),
        ("f", WHOLE[:4] + b"\xff" * 12 + WHOLE[16:], "should hold"),
        ("f.gz", PACKED[:-20], "cannot be unpacked"),
        ("f.gz", b"not gzip", "cannot be unpacked"),
        ("f.gz", PACKED[:30] + bytes(20) + PACKED[50:], "cannot be unpacked"),
    ],
)
def test_damage_is_refused(tmp_path, name, content, cause):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=cause):
        read_idx(tmp_path / "f", 3)
