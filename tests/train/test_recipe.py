"""Recipes by name, as JSON and back, and changed by what a user writes after --set."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidwright import models
from vidwright.core.errors import UsageError
from vidwright.train import recipe
from vidwright.train.optimiser import Optimiser
from vidwright.train.schedule import Budget

NAME = "enhance/restorer:x2-fast"


def test_every_recipe_is_of_a_model_that_there_is():
    assert NAME in recipe.names() and recipe.names() == sorted(recipe.names())
    assert {name.partition(":")[0] for name in recipe.names()} <= set(models.names())


def test_a_name_without_weights_is_the_first_of_its_file():
    assert recipe.load("enhance/restorer").name == NAME
    assert recipe.load(NAME) == recipe.load("enhance/restorer")


def test_a_wrong_name_is_told_the_nearest():
    with pytest.raises(UsageError, match=f"did you mean {NAME}") as error:
        recipe.load("enhance/restorer:x2-fats")
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize("name", recipe.names())
def test_json_holds_all_of_a_recipe(name):
    one = recipe.load(name)
    page = json.loads(json.dumps(one.as_json()))
    assert recipe.from_json(page) == one
    other = replace(one, batch=one.batch + 1, budget=Budget(minutes=1.5), optimiser=Optimiser(kind="muon", clip=3.0))
    assert recipe.from_json(other.as_json()) == other != one


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ({}, "no such recipe"),
        ({"model": "enhance/restorer", "weights": "x2-fast", "colour": 1}, "no field 'colour'"),
        ({"model": "enhance/restorer", "weights": "x2-fast", "config": {"width": 1}}, "no field 'width'"),
        ({"model": "enhance/restorer", "weights": "x2-fast", "config": {"channels": 10**6}}, "from 1 to 256"),
    ],
)
def test_json_of_another_version_is_refused(page, words):
    with pytest.raises(UsageError, match=words) as error:
        recipe.from_json(page)
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("assignment", "found"),
    [
        ("batch=32", lambda r: r.batch == 32),
        ("dtype=fp32", lambda r: r.dtype == "fp32"),
        ('dtype="fp32"', lambda r: r.dtype == "fp32"),
        ("optimiser.learning_rate=1e-3", lambda r: r.optimiser.learning_rate == 1e-3),
        ("optimiser.learning_rate=1", lambda r: r.optimiser.learning_rate == 1.0),
        ("optimiser.kind=adamw", lambda r: r.optimiser.kind == "adamw"),
        ("optimiser.betas=[0.5, 0.6]", lambda r: r.optimiser.betas == (0.5, 0.6)),
        ('optimiser={"clip": 2, "ema": 0.5}', lambda r: (r.optimiser.clip, r.optimiser.warmup) == (2.0, 100)),
        ("config.channels=16", lambda r: r.config.channels == 16),
        ('task.mix=[["area", 1]]', lambda r: r.task.mix == (("area", 1.0),)),
        ('budget={"steps": 100, "minutes": null}', lambda r: r.budget == Budget(steps=100)),
        ("budget.minutes=3", lambda r: r.budget == Budget(minutes=3.0)),
    ],
)
def test_a_field_is_set(assignment, found):
    before = recipe.load(NAME)
    after = before.changed([assignment])
    assert found(after) and not found(before)
    assert recipe.from_json(after.as_json()) == after


def test_changes_follow_each_other():
    after = recipe.load(NAME).changed(["batch=3", "optimiser.clip=2", "batch=5"])
    assert (after.batch, after.optimiser.clip) == (5, 2.0)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("batch", "there is no ="),
        ("bacth=3", "did you mean batch"),
        ("optimiser.learningrate=3", "did you mean learning_rate"),
        ("=3", "there is no field ''"),
        (".batch=3", "there is no field ''"),
        ("batch.size=3", "batch has no fields of its own"),
        ("batch=many", "valid integer"),
        ("batch=1.5", "valid integer"),
        ("batch=null", "valid integer"),
        ("optimiser.betas=[0.5]", "Field required"),
        ("optimiser.kind=sgd", "'adamw' or 'muon'"),
        ("optimiser=3", "has fields of its own"),
        ("task=3", "has fields of its own"),
        ("batch=0", "at least 1"),
        ("optimiser.accumulate=0", "at least 1"),
        ("weights=mine", "the recipe's name"),
        ('optimiser={"clips": 3}', "did you mean clip"),
        ("config.channels=1000000", "channels must be from 1 to 256"),
        ('task.mix=[["area"]]', "Field required"),
        ("budget.steps=3", "either steps or minutes"),
        ("budget.minutes=0", "either steps or minutes"),
        ("config.channels=a\x1b[2Jb", "valid integer"),
    ],
)
def test_what_cannot_be_set_is_an_error_of_three_lines(assignment, words):
    with pytest.raises(UsageError) as error:
        recipe.load(NAME).changed([assignment])
    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 3 and "\x1b" not in str(error.value)


FIELDS = st.sampled_from(
    ["batch", "seed", "validations", "weights", "budget", "budget.steps", "config.depth", "task.mix", "optimiser.betas"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner), max_leaves=5)


@given(field=FIELDS, value=VALUES.map(json.dumps) | st.text())
@settings(max_examples=100, deadline=None)
def test_whatever_is_written_gives_a_recipe_or_an_error_of_three_lines(field, value):
    try:
        after = recipe.load(NAME).changed([f"{field}={value}"])
    except UsageError as error:
        assert len(str(error).splitlines()) == 3
    else:
        json.dumps(after.as_json())
