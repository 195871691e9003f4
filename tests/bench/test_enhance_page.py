"""The page of `bench enhance`: one file that needs nothing else and can not be broken by a name."""

from __future__ import annotations

import re
from html import escape

import pytest

import media
import tiny
from vidwright.bench.enhance import named_models
from vidwright.bench.enhance_page import write_page
from vidwright.bench.suite import chosen, sections
from vidwright.core.errors import JobFailed

HOSTILE = "<script>alert('PWNED')<\u2215script> & {{css}}"


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> str:
    return str(tiny.weights(tmp_path_factory.mktemp("weights") / "<b>net<b>.safetensors"))


@pytest.fixture(scope="module")
def found(net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name in (HOSTILE, "plain"):
        media.clip(folder / f"{name}.mkv", frames=16)
    return list(sections(folder, chosen(["x2", "clean"]), named_models([net]), quick=True))


@pytest.fixture(scope="module")
def page(found, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(found, {"processor": "<i>one</i>", "memory": 2**33}, path)
    return path.read_text()


def test_it_needs_nothing_from_outside(page):
    rest = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]*", "", page)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link|<iframe", rest)
    assert "{{" not in rest.replace(escape(HOSTILE), "")


def test_names_are_words_and_not_markup(page):
    assert "<script>" not in page and "<b>net" not in page and "<i>one" not in page
    assert "&lt;script&gt;alert(&#x27;PWNED&#x27;)" in page and "&lt;b&gt;net&lt;b&gt;" in page
    assert "8.0 GiB" in page


def test_each_task_has_its_table_and_its_pictures(net, found, page):
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["x2", "clean", "Machine"]
    pictures = re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]*)"', page)
    names = ["input", "lanczos", escape(net), "truth"]
    # Of both clips: in the first and last column of x2, then in the only one of "clean", whose baseline is the input.
    assert pictures == 4 * names + 2 * ["input", "truth"]
    assert page.count('<tr class="ours">') == 1 + len(found[0].table.task.columns)  # and in the clips' table
    assert f"{found[0].table.rows[2].means['bicubic']:.2f}" in page


def test_a_page_that_cannot_be_written_is_said(found, tmp_path):
    with pytest.raises(JobFailed, match="folder does not exist"):
        write_page(found, {}, tmp_path / "nowhere" / "page.html")
