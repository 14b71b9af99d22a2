"""Pages as HTML by Jinja templates. Nothing in them needs JavaScript, and no style or script is inside them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from amkpi.core.language.translation import LANGUAGES, Language
from amkpi.pages.model import Day, Figure, Name, Note, Page, Part, Span, Subject, Text, plain_text

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).resolve().parent
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
ASSETS = ("assets/pages.css", "assets/pages.js")
# What a page may load: its own style sheet and script, and nothing else. A server sends it as a header too.
POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"


def html(page: Page) -> bytes:
    """The HTML of a page."""
    text = (
        _environment()
        .get_template(page.template)
        .render(page=page, layout=page.layout, labels=page.layout.labels, policy=POLICY)
    )
    return re.sub(r">\s*\n\s*<", ">\n<", text).encode()


def front(language: Language) -> bytes:
    """The page at the top: it leads to the reader's language."""
    text = _environment().get_template("front.html.j2").render(language=language, languages=LANGUAGES, policy=POLICY)
    return text.encode()


def prepare() -> None:
    """Compile the templates, which takes a quarter of a second: before the first reader waits for it."""
    environment = _environment()
    for name in environment.list_templates():
        environment.get_template(name)


@cache
def asset(path: str) -> tuple[str, bytes]:
    """The media type and content of one of ASSETS."""
    file = _HERE / path
    return _TYPES[file.suffix], file.read_bytes()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, auto_reload=False,
    )  # fmt: skip
    environment.filters["rich"] = rich
    environment.filters["about"] = about
    environment.filters["sort_key"] = sort_key
    return environment


def rich(text: Text | Part) -> Markup:
    """A text with its figures as `data`, dates as `time`, and names as `bdi`, whatever letters they have."""
    return Markup("".join(map(_part, text)) if isinstance(text, tuple) else _part(text))


# Texts are put together without Markup.format, which takes ten times as long.
def _part(part: Part) -> str:
    if isinstance(part, str):
        return escape(part)
    if isinstance(part, Figure):
        value = "" if part.raw is None else repr(part.raw)
        return f'<data value="{value}" data-of="{part.of}">{escape(part.text)}</data>'
    if isinstance(part, Day):
        return f'<time datetime="{part.day.isoformat()}">{part.text}</time>'
    if isinstance(part, Name):
        return f"<bdi>{escape(part.text)}</bdi>"
    if isinstance(part, Span):
        return f'<span class="period">{escape(part.text)}</span>'
    if isinstance(part, Note):
        return f"<small>{escape(part.text)}</small>"
    return f'<a href="{escape(part.href)}">{rich(part.content)}</a>'


def about(subject: Subject) -> Markup:
    """The attributes that say of what the figures of an element are."""
    given = (
        ("scope", subject.scope),
        ("staff", subject.staff_id),
        ("kpi", subject.kpi),
        ("grain", subject.grain),
        ("start", subject.start.isoformat() if subject.start else None),
        ("detail", subject.detail),
    )
    return Markup("".join(f' data-{name}="{escape(value)}"' for name, value in given if value is not None))


def sort_key(text: Text) -> str:
    """By what a cell is sorted: its first number or date, else its text."""
    for part in text:
        if isinstance(part, Figure):
            return "" if part.raw is None else repr(part.raw)
        if isinstance(part, Day):
            return part.day.isoformat()
    return plain_text(text)
