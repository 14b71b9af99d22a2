"""The few pages that the server makes itself: sign-in, sign-out, and what is shown instead of a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from starlette.responses import HTMLResponse

from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Translator

TEMPLATES = Path(__file__).resolve().parent / "templates"


@dataclass(frozen=True)
class Form:
    """A form with one button. label: of the address field, empty without one. hidden: more values."""

    action: str
    button: str
    label: str = ""
    hidden: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Screen:
    """A page: its title, its sentences, and what a reader can do there. link: as (address, text)."""

    title: str
    sentences: tuple[str, ...] = ()
    form: Form | None = None
    link: tuple[str, str] | None = None

    def response(self, language: Language, status: int = 200, root: str = "") -> HTMLResponse:
        """The page as an answer. root: the way from its address to the first page of the server, such as `../`."""
        template = _environment().get_template("screen.html.j2")
        pages = Translator(language).t("KPI pages")
        return HTMLResponse(template.render(screen=self, language=language, root=root, pages=pages), status)


def not_found(language: Language, root: str) -> HTMLResponse:
    """The one answer where there is no page, and where there is no right to it."""
    t = Translator(language).t
    screen = Screen(
        t("No such page"),
        (t("There is no page here, or you have no right to read it."),),
        link=(f"{root}{language}/index.html", t("To the overview")),
    )
    return screen.response(language, 404, root)


def nothing_published(language: Language, root: str) -> HTMLResponse:
    """The answer before the first publication."""
    t = Translator(language).t
    return Screen(t("No figures yet"), (t("Nothing is published yet. Please come back later."),)).response(
        language, 503, root
    )


def defect(language: Language, root: str) -> HTMLResponse:
    """The answer to a request that failed. The log of the server says why."""
    t = Translator(language).t
    return Screen(
        t("Something went wrong"), (t("The page could not be made. Please try again, or tell who runs the pages."),)
    ).response(language, 500, root)


def style() -> bytes:
    """The style sheet of these pages."""
    return (TEMPLATES / "screen.css").read_bytes()


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
