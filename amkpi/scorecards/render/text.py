"""The plain text of a mail."""

from __future__ import annotations

import re

from amkpi.scorecards.model import Scorecard
from amkpi.scorecards.render.jinja import rendered


def text(card: Scorecard) -> str:
    """The content of the mail as plain text."""
    return tidy(rendered("mail.txt.j2", card, escaped=False))


def tidy(page: str) -> str:
    """A page of a template without the empty lines that its blocks leave."""
    return re.sub(r"\n{3,}", "\n\n", page).strip() + "\n"
