"""A run as one HTML file that needs nothing else: curves, pictures, speed, settings."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from vidwright.core.files import write_atomic
from vidwright.core.page import asset, filled, style
from vidwright.train.gallery import gallery
from vidwright.train.log import Row, read
from vidwright.train.plot import Curve, chart, number, smoothed

#: Series shorter than this are not averaged: every value can be seen.
_FEW = 100

#: Bad batches that are listed one by one; the rest is a number.
_LISTED = 8

_ENDS = {
    "budget": "Finished: the budget is used.",
    "interrupted": "Interrupted at step {step}; with --resume it goes on.",
    "failed": "Ended by an error at step {step}; with --resume it goes on.",
    "diverged": "Stopped at step {step}: too many batches gave something that is not finite.",
}
_FOOTER = (
    "A light line is every step (of a long run the lowest and highest of each stretch), the strong one an average over "
    "a fiftieth of the run. The bare loop is a step's own convolutions, forward and backward with nothing around them, "
    "measured on the same machine."
)


@dataclass(frozen=True, slots=True)
class _Run:
    """The rows of a log by kind; each step and each validation once, the last one said."""

    starts: list[Row]
    steps: list[Row]
    valids: list[Row]
    bad: list[Row]
    throughput: Row
    end: Row | None

    @staticmethod
    def of(rows: list[Row]) -> _Run:
        def each(kind: str) -> list[Row]:
            return [row for row in rows if row["kind"] == kind]

        def once(kind: str) -> list[Row]:
            found = {row["step"]: row for row in each(kind)}
            return [found[step] for step in sorted(found)]

        ended = [row for row in rows if row["kind"] in ("start", "end", "step")][-1:]
        end = ended[0] if ended and ended[0]["kind"] == "end" else None
        speed: Row = (each("throughput") or [{}])[-1]
        return _Run(each("start"), once("step"), once("valid"), each("bad"), speed, end)

    @property
    def start(self) -> Row:
        return self.starts[-1] if self.starts else {}

    @property
    def last(self) -> int:
        return max((row["step"] for row in [*self.steps, *self.valids]), default=0)

    @property
    def seconds(self) -> float:
        return _float(self.steps[-1].get("seconds")) if self.steps else 0.0


def write_report(run: Path) -> Path:
    """Write `RUN/report.html` from the log and the pictures of a run, finished or not; returns its path.

    Raises `JobFailed` when the page can not be written. A picture that has gone is left out.
    """
    found = _Run.of(read(run))
    parts = {
        "title": escape(_name(found.start.get("recipe", {}))),
        "css": style("train", "report.css"),
        "status": escape(_status(found)),
        "notes": _notes(found),
        "headline": _headline(found),
        "sections": "\n\n".join(_sections(run, found)),
        "footer": escape(_FOOTER),
    }
    path = run / "report.html"
    write_atomic(path, filled(asset("train", "report.html"), parts))
    return path


def _name(recipe: Mapping[str, Any]) -> str:
    return ":".join(str(recipe[key]) for key in ("model", "weights") if recipe.get(key)) or "A run without a recipe"


def _status(run: _Run) -> str:
    if run.end is None:
        said = "No end is recorded: it is still running, or was killed." if run.starts else "Nothing is recorded."
    else:
        why = str(run.end.get("why"))
        said = _ENDS.get(why, f"Ended: {why}.").format(step=f"{run.last:,}")
    times = len(run.starts) - 1
    again = f" Resumed {times} time{'s' if times > 1 else ''}." if times > 0 else ""
    began = f" Begun {str(run.starts[0].get('time', ''))[:16].replace('T', ' ')}." if run.starts else ""
    return said + again + (began if began != " Begun ." else "")


def _notes(run: _Run) -> str:
    if not run.bad:
        return ""
    rows = [f"<li>{_count(len(run.bad), 'batch', 'batches')} gave something that is not finite and left no trace:</li>"]
    for row in run.bad[:_LISTED]:
        where = escape(str(row.get("where")))
        rows.append(
            f"<li>after step {_integer(row.get('step'))}, batch {_integer(row.get('batch'))}: in the {where}</li>"
        )
    rows += [f"<li>and {len(run.bad) - _LISTED} more</li>"] if len(run.bad) > _LISTED else []
    return f'<ul class="notes figures" aria-label="Bad batches">{"".join(rows)}</ul>'


def _headline(run: _Run) -> str:
    parameters = run.start.get("parameters")
    rows = [("Steps", f"{run.last:,}", "", f"{parameters:,} parameters" if isinstance(parameters, int) else "")]
    rows.append(("Time", *_duration(run.seconds), ""))
    rows += [_best(run)] if run.valids else []
    rows += _speed(run)
    body = "".join(
        f'<div><dt>{escape(name)}</dt><dd><span class="big">{value}{f"<small>{unit}</small>" if unit else ""}</span>'
        f'<span class="rest figures">{escape(rest)}</span></dd></div>'
        for name, value, unit, rest in rows
    )
    return f'<dl class="headline">{body}</dl>'


def _best(run: _Run) -> tuple[str, str, str, str]:
    """The metric that chose the checkpoint at its best; where the log does not name one, the first at the end."""
    watched, at = _watched(run)
    if at is not None:
        return f"Best {watched}", number(at["metrics"][watched]), "", f"at step {at['step']:,}"
    last = run.valids[-1]
    name = next(iter(last.get("metrics", {})), "metric")
    value = last.get("metrics", {}).get(name)
    return f"Last {name}", "none" if value is None else number(value), "", f"at step {last['step']:,}"


def _watched(run: _Run) -> tuple[str, Row | None]:
    """The name of the metric that is watched, and the validation where it was best."""
    name, better = run.start.get("watch"), run.start.get("better")
    known = [row for row in run.valids if row.get("metrics", {}).get(name) is not None]
    if name is None or better not in ("higher", "lower") or not known:
        return str(name), None
    return name, (max if better == "higher" else min)(known, key=lambda row: row["metrics"][name])


def _speed(run: _Run) -> Iterator[tuple[str, str, str, str]]:
    """Steps per second of training alone, validations left out, and the arithmetic they amount to."""
    waited, worked = (_total(run.steps, key) for key in ("waited", "worked"))
    trained = waited + worked if worked > 0 else run.seconds
    rate = _float(run.throughput.get("steps_per_second"))
    if math.isnan(rate) and trained > 0:
        rate = len(run.steps) / trained
    if not math.isnan(rate):
        waiting = f"{100 * waited / trained:.1f} % of the time waiting for data" if trained > 0 else ""
        yield "Speed", number(rate), "steps/s", waiting
    flops, peak = (_float(run.throughput.get(key)) for key in ("flops_per_step", "peak_flops"))
    if peak > 0 and flops > 0 and rate > 0:
        rest = f"of a bare loop's {_flops(peak)}/s; {_flops(flops)} a step"
        yield "Arithmetic", f"{100 * rate * flops / peak:.0f}", "%", rest


def _total(steps: list[Row], key: str) -> float:
    """Seconds of one kind over all sessions: the count begins again at each resume."""
    total = before = 0.0
    for now in _values(steps, key):
        if not math.isnan(now):
            total += now - before if now >= before else now
            before = now
    return total


def _sections(run: Path, found: _Run) -> Iterator[str]:
    if found.steps:
        yield _section("Training", _training(found))
    if found.valids:
        yield _section("Validation", _validation(found))
        if shown := gallery(run, found.valids):
            yield _section("Pictures", shown)
    tables = [("Recipe", found.start.get("recipe", {})), ("Environment", found.start.get("environment", {}))]
    filled_in = [_section(name, _table(values)) for name, values in tables if values]
    if filled_in:
        yield f'<section class="tables">{"".join(filled_in)}</section>'


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>\n{body}</section>"


def _training(run: _Run) -> str:
    steps = [row["step"] for row in run.steps]

    def noisy(title: str, values: list[float]) -> str:
        curves = [Curve(steps, values)]
        if len(values) >= _FEW:
            curves = [Curve(steps, values, "raw"), Curve(steps, smoothed(values))]
        known = [value for value in curves[-1].values if not math.isnan(value)]
        return chart(title, curves, last=run.last, note=f"{number(known[-1])} at the end" if known else "never finite")

    charts = [_charts(noisy("Loss", _values(run.steps, "loss")), wide=True)]
    names = dict.fromkeys(name for row in run.steps for name in row.get("losses", {}))
    small = [noisy(name, _values(run.steps, "losses", name)) for name in names] if len(names) > 1 else []
    rates = _values(run.steps, "rate")
    small.append(chart("Learning rate", [Curve(steps, rates)], last=run.last))
    small.append(noisy("Gradient norm, before clipping", _values(run.steps, "gradient")))
    if len(run.steps) > 1:
        small.append(chart("Steps per second", [_pace(run.steps)], last=run.last))
    return "\n".join([*charts, _charts("".join(small))])


def _pace(steps: list[Row]) -> Curve:
    """Steps per second between rows a hundredth of the run apart."""
    some = steps[:: max(1, len(steps) // 100)]
    at: list[float] = []
    speeds: list[float] = []
    for one, other in itertools.pairwise(some):
        taken = _float(other.get("seconds")) - _float(one.get("seconds"))
        at.append(other["step"])
        speeds.append((other["step"] - one["step"]) / taken if taken > 0 else math.nan)
    return Curve(at, speeds)


def _validation(run: _Run) -> str:
    steps = [row["step"] for row in run.valids]
    watched, best = _watched(run)
    charts: list[str] = []
    for name in dict.fromkeys(name for row in run.valids for name in row.get("metrics", {})):
        values = _values(run.valids, "metrics", name)
        known = [value for value in values if not math.isnan(value)]
        note = f"{number(known[-1])} at the end" if known else "never finite"
        at = best["step"] if best is not None and name == watched else None
        if best is not None and at is not None:
            note = f"best {number(best['metrics'][name])} at step {at:,}; {note}"
        charts.append(chart(name, [Curve(steps, values)], last=run.last, note=note, best=at))
    return _charts("".join(charts))


def _charts(body: str, *, wide: bool = False) -> str:
    return f'<div class="{"wide" if wide else "charts"}">{body}</div>'


def _values(rows: list[Row], *keys: str) -> list[float]:
    """One figure of each row; NaN where the row has none or it was not finite."""
    found: list[float] = []
    for row in rows:
        value: Any = row
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        found.append(_float(value))
    return found


def _float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _table(values: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="plain">{escape(text)}</td></tr>'
        for name, text in _flat(values)
    )
    return f'<div class="scroll"><table><tbody>{rows}</tbody></table></div>'


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names as `--set` takes them, `task.patch`, and values as JSON, words without quotes."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif key == "memory" and isinstance(value, int):
            yield f"{prefix}{key}", f"{value / 2**30:.1f} GiB"
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _duration(seconds: float) -> tuple[str, str]:
    """A length of time and its unit, as short as can be."""
    if math.isnan(seconds):
        return "unknown", ""
    if seconds < 120:
        return f"{seconds:.{1 if seconds >= 10 else 2}f}", "s"
    return (f"{seconds / 60:.1f}", "min") if seconds < 7200 else (f"{seconds / 3600:.1f}", "h")


def _flops(count: float) -> str:
    unit, size = next((each for each in (("T", 1e12), ("G", 1e9), ("M", 1e6)) if count >= each[1]), ("", 1.0))
    return f"{number(float(f'{count / size:.3g}'))} {unit}FLOP"


def _count(many: int, one: str, more: str) -> str:
    return f"{many} {one if many == 1 else more}"


def _integer(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "unknown"
