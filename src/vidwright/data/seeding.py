"""Randomness by name: what is drawn depends on a seed and on what it is drawn for, never on what was drawn before."""

from __future__ import annotations

import hashlib

import torch


def generator(seed: int, *path: int) -> torch.Generator:
    """A generator seeded by a hash of `seed` and `path`, as in `generator(seed, epoch, k)`.

    Neighbouring numbers give unrelated streams, which adding them up would not.
    """
    words = ",".join(str(number) for number in (seed, *path))
    digest = hashlib.blake2b(words.encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


def integer(below: int, random: torch.Generator) -> int:
    """A whole number from 0 on, below another one, each as likely."""
    return int(torch.randint(below, (), generator=random))
