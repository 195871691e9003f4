"""`bench enhance` as one HTML file that needs nothing else: tables, and pieces of pictures side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from vidwright.bench.crops import Crop, spread
from vidwright.bench.enhance_table import Cells, elsewhere, legend, notes, per_clip, summary, title
from vidwright.bench.peers import SOURCE
from vidwright.bench.suite import Section
from vidwright.core.files import write_atomic
from vidwright.core.page import asset, data_uri, filled, style

_LEAD = (
    "Clips that no model was trained on are degraded and restored. Baselines need no weights and ran in the same "
    "process, in turns with the models; rows measured elsewhere stand apart."
)
_FOOTER = (
    "fps: frames of 480x272 per second of processor time on one thread, other sizes by their area. Flicker: temporal "
    "difference error (dtSSD) over that of the named row. Natural: without recordings of screens. Pieces of pictures "
    "are shown where the baseline errs most, on the clips where the models won most, middling and least."
)


def write_page(sections: Iterable[Section], machine: Mapping[str, Any], path: Path) -> None:
    """Write the page to `path`, as a whole or not at all. Raises `JobFailed` when it cannot be written."""
    parts = {
        "css": style("bench", "enhance_page.css"),
        "title": "Enhancement, measured",
        "lead": _LEAD,
        "sections": "\n".join(map(_section, sections)),
        "machine": _machine(machine),
        "footer": _FOOTER,
    }
    write_atomic(path, filled(asset("bench", "enhance_page.html"), parts))


def _section(section: Section) -> str:
    table = section.table
    ours = {row.method for row in table.rows if row.ours}
    lead = f"{title(table)}; {legend(table)}."
    parts = [f'<h2>{escape(table.task.name)}</h2><p class="lead">{escape(lead)}</p>', _table(summary(table), ours)]
    said = "".join(f"<li>{escape(_sentence(note))}</li>" for note in notes(table))
    parts.append(f'<ul class="notes">{said}</ul>' if said else "")
    if others := elsewhere(table):
        parts.append(f"<h3>Others <span>{escape(SOURCE)}</span></h3>")
        parts.append(f'<div class="others">{_table(others, set())}</div>')
    parts += _pictures(section.crops)
    parts.append(f"<details><summary>Each clip</summary>{_by_clip(per_clip(table), ours)}</details>")
    return f"<section>{''.join(parts)}</section>"


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:] + "."


def _table(cells: Cells, ours: set[str]) -> str:
    head, *rows = cells
    body = "".join(
        f'<tr{_look(row[0], ours)}><th scope="row">{escape(row[0])}</th>{_plain(row[1:])}</tr>' for row in rows
    )
    return f'<div class="scroll"><table><thead>{_head(head)}</thead><tbody>{body}</tbody></table></div>'


def _by_clip(cells: Cells, ours: set[str]) -> str:
    """A row for each method in each column, which is named once."""
    head, *rows = cells
    body = ""
    column = ""
    for row in rows:
        look = " ".join((["first"] if row[0] != column else []) + (["ours"] if row[1] in ours else []))
        heads = f'<th class="column">{escape(row[0])}</th><th scope="row">{escape(row[1])}</th>'
        body += f'<tr class="{look}">{heads}{_plain(row[2:])}</tr>'
        column = row[0]
    return f'<div class="scroll clips"><table><thead>{_head(head)}</thead><tbody>{body}</tbody></table></div>'


def _head(names: Sequence[str]) -> str:
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return f"<tr>{cells}</tr>"


def _plain(values: Sequence[str]) -> str:
    return "".join(f"<td>{escape(value)}</td>" for value in values)


def _look(name: str, ours: set[str]) -> str:
    return ' class="ours"' if name in ours else ""


def _pictures(crops: Sequence[Crop]) -> Iterator[str]:
    for column in dict.fromkeys(each.column for each in crops):
        for each in spread(found for found in crops if found.column == column):
            row = "".join(
                f'<figure><img src="{data_uri("image/png", content)}" alt="{escape(name)}" width="{each.width}" '
                f'height="{each.height}"><figcaption>{escape(name)}</figcaption></figure>'
                for name, content in each.pictures
            )
            gain = "" if each.gain is None else f", {each.gain:+.2f} dB over the whole clip"
            yield f"<h3>{escape(each.clip)} <span>{escape(column)}{gain}</span></h3>"
            yield f'<div class="crops">{row}</div>'


def _machine(machine: Mapping[str, Any]) -> str:
    said = {name: f"{value / 2**30:.1f} GiB" if name == "memory" else str(value) for name, value in machine.items()}
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in said.items()
    )
    return f'<div class="scroll machine"><table><tbody>{rows}</tbody></table></div>'
