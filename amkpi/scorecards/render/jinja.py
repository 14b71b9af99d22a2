"""The Jinja templates of the mail's two bodies."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from amkpi.scorecards.model import Scorecard

TEMPLATES = Path(__file__).resolve().parent / "templates"
# The Content-ID of the chart inside the mail.
CHART_ID = "chart"


def rendered(template: str, card: Scorecard, escaped: bool) -> str:
    """A template filled with a scorecard. escaped: as HTML."""
    return filled(
        template,
        escaped,
        card=card,
        main=card.cards[0],
        labels=card.labels,
        language=card.recipient.language,
        chart_id=CHART_ID,
    )


def filled(template: str, escaped: bool, **values: Any) -> str:
    """A template filled with values. escaped: as HTML."""
    page: str = _environment(escaped).get_template(template).render(values)
    return page


@cache
def _environment(escaped: bool) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Not `select_autoescape()`: it recognises *.html, but not *.html.j2.
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=escaped,
        undefined=StrictUndefined,
        trim_blocks=not escaped,
        lstrip_blocks=not escaped,
        keep_trailing_newline=True,
    )
    environment.filters["no_widow"] = _no_widow
    return environment


def _no_widow(text: str) -> str:
    """The text with a no-break space before its last one or two characters, such as `₫` or `%`."""
    return re.sub(r" (?=\S{1,2}$)", "\u00a0", text)
