"""Whatever names and shapes a file may have, a family knows them, does not, or says why not."""

from __future__ import annotations

import math
import random

import pytest

import foreigners
from vidwright import models
from vidwright.weights.families import FAMILIES, Found, Unfit

STATES = {
    **{f"ESRGAN {spelling}": foreigners.esrgan(spelling) for spelling in foreigners.ESRGAN},
    "Compact": foreigners.compact(),
    "SPAN": foreigners.span(),
    "SPAN folded": foreigners.span(branched=False),
}
SHAPES = {name: {key: tuple(t.shape) for key, t in state.items()} for name, state in STATES.items()}

#: Tried on each file: enough that every kind of damage below meets every kind of tensor now and then.
DAMAGES = 300


def found(shapes) -> list[Found]:
    """What the families make of it; anything else that they raise is a defect."""
    results: list[Found] = []
    for family in FAMILIES.values():
        try:
            result = family(shapes)
        except Unfit as reason:
            assert 10 < len(str(reason)) < 200
        else:
            results += [result] if result is not None else []
    return results


def damaged(shapes: dict[str, tuple[int, ...]], by: random.Random) -> dict[str, tuple[int, ...]]:
    shapes, name = dict(shapes), by.choice(sorted(shapes))
    match by.randrange(6):
        case 0:
            del shapes[name]
        case 1:
            shapes[name] = tuple(by.choice((1, 2, 3, 7, 2**40)) for _ in range(by.randrange(6)))
        case 2:
            shapes[name.replace(".", by.choice(("", "..", ".0.", ".9.", ".٣.")), 1)] = shapes.pop(name)
        case 3:
            shapes["".join(by.choice("0123456789") if c.isdigit() else c for c in name)] = shapes.pop(name)
        case 4:
            shapes |= by.choice(list(SHAPES.values()))
        case 5:
            shapes[name[: by.randrange(len(name))]] = shapes.pop(name)
    return shapes


@pytest.mark.parametrize("name", SHAPES)
def test_a_whole_file_is_of_one_family_and_its_tensors_are_the_networks(name):
    (result,) = found(SHAPES[name])
    card = models.card(result.model)
    network = card.build(card.config(**result.config)).state_dict()
    made = result.convert(STATES[name])
    assert {key: t.shape for key, t in made.items()} == {key: t.shape for key, t in network.items()}


@pytest.mark.parametrize("name", SHAPES)
def test_damage_never_passes_for_another_network(name):
    by, refused = random.Random(name), 0
    for _ in range(DAMAGES):
        shapes = damaged(SHAPES[name], by)
        results = found(shapes)
        refused += not results
        for result in results:  # a change of nothing, or of what does not count
            card = models.card(result.model)
            wanted = card.build(card.config(**result.config)).state_dict()
            assert sum(t.numel() for t in wanted.values()) <= sum(map(math.prod, shapes.values()))
    assert refused > DAMAGES / 2
