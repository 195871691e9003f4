"""Pages that need nothing else: one HTML file, no network, one look for all of them."""

from __future__ import annotations

import base64
import re
from importlib import resources


def asset(room: str, name: str) -> str:
    """The text of a file that lies beside the code of a room, `vidwright.<room>`."""
    return resources.files(f"vidwright.{room}").joinpath(name).read_text(encoding="utf-8")


def style(room: str, name: str) -> str:
    """The look that all pages share, and after it the page's own."""
    return asset("core", "page.css") + asset(room, name)


def filled(template: str, parts: dict[str, str]) -> str:
    """The template with each `{{name}}` replaced; in one pass, so that braces in what is filled in stay."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def data_uri(kind: str, content: bytes) -> str:
    """A file inside the page; `kind` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
