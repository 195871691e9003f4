"""The page of a run: one file, true, small, and not to be broken by a name or a length."""

from __future__ import annotations

import base64
import html.parser
import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

import chromium
from vidwright.train.gallery import gallery
from vidwright.train.log import Log, Row, read
from vidwright.train.plot import Curve, chart, number, smoothed
from vidwright.train.report import write_report

HOSTILE = "</style></title><script>alert('x')</script>{{css}} & \"b\""
RECIPE: dict[str, Any] = {"model": "enhance/restorer", "weights": "x2-fast", "task": {"patch": 48, "mix": ["area"]}}


class _Page(html.parser.HTMLParser):
    """What a browser would see: tags with their attributes, and words outside of style."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._parts: list[str] = []
        self.text = path.read_text()
        self.feed(self.text)
        self.words = " ".join(" ".join(self._parts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem is None:
            self._parts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for found, attrs in self.tags if found == tag]


def _step(n: int, **other: Any) -> Row:
    row = {"step": n, "batch": n, "loss": 1 / n, "losses": {"l1": 0.6 / n, "luma": 0.4 / n}, "rate": 1e-3}
    return row | {"gradient": 0.5, "seconds": 2.0 * n, "waited": 0.25 * n, "worked": 0.75 * n} | other


def _begin(log: Log, **other: Any) -> None:
    start = {"recipe": RECIPE, "environment": {"torch": "2.13.0", "memory": 8 * 2**30}, "parameters": 37_196}
    log.write("start", **(start | {"time": "2026-01-02T03:04:05+00:00", "watch": "psnr", "better": "higher"} | other))


def _picture(seed: int, size: int = 8) -> torch.Tensor:
    return torch.rand(3, size, size, generator=torch.Generator().manual_seed(seed))


def _valid(log: Log, step: int, *, size: int = 8, **metrics: float) -> None:
    pictures = {"one": log.picture(step, "one", _picture(step, size))}
    log.write("valid", step=step, seconds=1.0, metrics=metrics, pictures=pictures)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with Log(tmp_path) as log:
        _begin(log)
        for n in range(1, 41):
            log.write("step", **_step(n))
            if n % 10 == 0:
                _valid(log, n, psnr=30 + math.sin(n), ssim=0.9)
        log.write("throughput", flops_per_step=2e9, steps_per_second=3.0, peak_flops=10e9)
        log.write("end", step=40, seconds=80.0, why="budget")
    return tmp_path


def test_it_needs_nothing_from_outside(run):
    page = _Page(write_report(run))
    pictures = page.all("img")
    assert len(pictures) == 4
    assert all((picture["src"] or "").startswith("data:image/png;base64,") for picture in pictures)
    rest = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]*", "", page.text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link", rest)
    assert "{{" not in rest and "prefers-color-scheme: dark" in rest
    assert "default-src 'none'" in rest


def test_it_says_what_the_log_says(run):
    words = _Page(write_report(run)).words
    assert "enhance/restorer:x2-fast" in words and "Finished: the budget is used." in words
    assert "37,196 parameters" in words
    best = max((30 + math.sin(n), n) for n in (10, 20, 30, 40))
    assert f"Best psnr {best[0]:.2f} at step {best[1]}" in words
    assert "Speed 3 steps/s 25.0 % of the time waiting for data" in words
    assert "Arithmetic 60 % of a bare loop's 10 GFLOP/s; 2 GFLOP a step" in words
    assert "task.patch 48" in words and 'task.mix ["area"]' in words and "memory 8.0 GiB" in words
    assert "0.025 at the end" in words


def test_the_latest_picture_is_first_and_exact(run):
    src = _Page(write_report(run)).all("img")[0]["src"] or ""
    assert base64.b64decode(src.partition(",")[2]) == (run / "pictures/000040-one.png").read_bytes()


@pytest.mark.parametrize("rows", [0, 1, 2], ids=["no log", "a start", "one step"])
def test_a_run_that_has_hardly_begun(tmp_path, rows):
    if rows:
        with Log(tmp_path) as log:
            _begin(log)
            if rows == 2:
                log.write("step", **_step(1, loss=None, losses={"l1": None}, gradient=None, seconds=0.0, worked=0.0))
    words = _Page(write_report(tmp_path)).words
    assert ("Nothing is recorded" in words) == (rows == 0)
    assert ("still running, or was killed" in words) == (rows > 0)
    assert ("never finite" in words) == (rows == 2) and "Validation" not in words


def test_a_run_that_goes_on_has_no_end(run):
    with Log(run) as log:
        log.truncate(30)
        _begin(log)
        log.write("step", **_step(31))
    words = _Page(write_report(run)).words
    assert "still running" in words and "Resumed 1 time." in words and "Steps 31 " in words


def test_waiting_is_counted_over_all_sessions(tmp_path):
    with Log(tmp_path) as log:
        _begin(log)
        for n, (waited, worked) in enumerate([(1, 2), (2, 4), (0.5, 1.5), (1, 3)], start=1):
            log.write("step", **_step(n, waited=waited, worked=worked))
    words = _Page(write_report(tmp_path)).words  # 3 of 10 seconds, 4 steps
    assert "Speed 0.4 steps/s 30.0 % of the time waiting" in words


@pytest.mark.parametrize(("better", "best"), [("higher", "3 at step 20"), ("lower", "1 at step 10")])
def test_the_best_is_the_watched_metric_at_its_best(tmp_path, better, best):
    with Log(tmp_path) as log:
        _begin(log, watch="score", better=better)
        for step, score in ((10, 1.0), (20, 3.0), (30, float("nan")), (40, 2.0)):
            log.write("valid", step=step, metrics={"score": score})
    assert f"Best score {best}" in _Page(write_report(tmp_path)).words


def test_bad_batches_are_named_and_their_list_is_short(tmp_path):
    with Log(tmp_path) as log:
        _begin(log)
        for n in range(12):
            log.write("bad", step=n, batch=1000 + n, where="gradient")
        log.write("end", step=11, seconds=1.0, why="diverged")
    words = _Page(write_report(tmp_path)).words
    assert "12 batches gave" in words and "batch 1,007: in the gradient and 4 more" in words
    assert "too many batches" in words


def test_hostile_names_stay_words(tmp_path):
    with Log(tmp_path) as log:
        recipe = {"model": HOSTILE, "weights": "w", HOSTILE: {HOSTILE: HOSTILE}}
        _begin(log, recipe=recipe, environment={HOSTILE: HOSTILE}, time=HOSTILE, watch=HOSTILE)
        log.write("step", **_step(1, losses={HOSTILE: 1.0, "b": 2.0}))
        log.write("valid", step=1, metrics={HOSTILE: 1.0}, pictures={HOSTILE: log.picture(1, HOSTILE, _picture(0))})
        log.write("bad", step=1, batch=1, where=HOSTILE)
        log.write("end", step=1, seconds=1.0, why=HOSTILE)
    page = _Page(write_report(tmp_path))
    assert not page.all("script") and page.words.count("<script>alert('x')</script>{{css}}") >= 8
    assert page.text.count("</style>") == 1


def test_a_long_run_stays_a_small_page(tmp_path):
    count = 20_000
    with Log(tmp_path) as log:
        _begin(log)
    rows = (json.dumps({"kind": "step", **_step(n, loss=9e9 if n == 7_777 else 1.0)}) for n in range(1, count + 1))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write("\n".join(rows) + "\n")
    page = _Page(write_report(tmp_path))
    paths = [attrs["d"] or "" for attrs in page.all("path") if attrs["class"] in ("raw", "trace")]
    assert len(paths) >= 6 and max(len(re.findall("[ML]", path)) for path in paths) <= 1000
    assert len(page.text) < 300_000
    spike = [float(x) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", paths[0]) if y == "0.00"]
    assert spike and min(abs(x - 388.85) for x in spike) < 0.01


def test_pictures_are_capped_and_evenly_spread(tmp_path):
    with Log(tmp_path) as log:
        for step in range(100, 2100, 100):
            _valid(log, step)
    valids = read(tmp_path)

    def shown(most: int) -> list[int]:
        page = gallery(tmp_path, valids, most=most)
        assert len(re.sub(r"[^,]*,([A-Za-z0-9+/=]+)|.", r"\1", page)) <= most
        return [int(step.replace(",", "")) for step in re.findall(r"<figcaption>step ([\d,]+)", page)]

    size = len(base64.b64encode((tmp_path / "pictures/002000-one.png").read_bytes()))
    many = shown(10**6)
    assert many[0] == 100 and many[-1] == 1900 and len(many) == 11
    gaps = {b - a for a, b in itertools.pairwise(many)}
    assert max(gaps) - min(gaps) <= 100
    assert shown(int(3.5 * size)) == [100, 1900]
    assert shown(int(1.5 * size)) == []
    assert "1 more did not fit" in gallery(tmp_path, valids, most=size // 2)


def test_pictures_that_are_gone_or_elsewhere_are_left_out(tmp_path):
    (tmp_path / "run/pictures").mkdir(parents=True)
    (tmp_path / "run/pictures/words.png").write_text("no picture at all, though its name says so")
    with Log(tmp_path / "run") as log:
        inside = log.picture(1, "fine", _picture(0))
    (tmp_path / "secret.png").write_bytes((tmp_path / "run" / inside).read_bytes())
    pictures = {"gone": "pictures/gone.png", "secret": "../secret.png", "words": "pictures/words.png"}
    assert gallery(tmp_path / "run", [{"step": 1, "pictures": pictures}]) == ""
    page = gallery(tmp_path / "run", [{"step": 1, "pictures": pictures | {"fine": inside}}])
    assert page.count("<img") == 1 and "fine" in page


@example([1.0, 5e-324])
@example([0.0, 0.0])
@example([1e30, 1e30])
@given(st.lists(st.floats(-1e30, 1e30) | st.just(math.nan), min_size=1, max_size=50))
def test_any_curve_can_be_drawn_within_its_chart(values):
    page = chart("x", [Curve(range(1, len(values) + 1), values)], last=len(values))
    points = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", re.search(r'"trace" d="([^"]*)"', page)[1])  # type: ignore[index]
    assert len(points) == sum(not math.isnan(value) for value in values)
    assert all(0 <= float(x) <= 1000 and 0 <= float(y) <= 100 for x, y in points)
    assert "nan" not in page and 1 <= page.count('class="tick"') <= 7


def test_scales_are_round_and_logarithmic_where_it_helps():
    def ticks(*values: float) -> list[str]:
        return re.findall(r'class="tick"[^>]*>([^<]*)<', chart("x", [Curve(range(len(values)), values)], last=9))

    assert ticks(0.0, 10.0) == ["0", "5", "10"]
    assert ticks(30.1, 33.9) == ["30", "31", "32", "33", "34"]
    assert ticks(1.0, 100.0) == ["1", "3", "10", "30", "100"]
    assert ticks(-1.0, 100.0)[0].startswith("-")


def test_numbers_are_short():
    found = [number(value) for value in (0.0015, 12.5, 3e-5, 1234567, 33.888, 0.0, -1e-9)]
    assert found == ["0.0015", "12.5", "3e-5", "1.235e6", "33.89", "0", "-1e-9"]


def test_smoothing_is_an_unbiased_average():
    assert smoothed([2.0] * 300) == pytest.approx([2.0] * 300)
    mixed = smoothed([0.0, 1.0] * 500)
    assert all(abs(value - 0.5) < 0.05 for value in mixed[200:])
    gaps = smoothed([1.0, math.nan, 1.0])
    assert math.isnan(gaps[1]) and gaps[2] == 1.0


@pytest.mark.browser
@pytest.mark.skipif(chromium.EXECUTABLE is None, reason="no Chromium")
@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)], ids=["phone", "desk"])
def test_it_fits_the_screen_and_a_browser_has_nothing_to_say(run, tmp_path_factory, width, dark):
    path = write_report(run)
    with chromium.chromium(tmp_path_factory.mktemp("browser")) as page:
        page.open(path, width=width, dark=dark)
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.run("[...document.images].every(image => image.naturalWidth === 8)")
        outside = "[...document.querySelectorAll('.tick, .dot')].filter(e => e.getBoundingClientRect().left < 0).length"
        assert page.run(outside) == 0
        assert page.run("getComputedStyle(document.body).backgroundColor") == (
            "rgb(19, 21, 22)" if dark else "rgb(252, 252, 250)"
        )
        assert not page.complaints
