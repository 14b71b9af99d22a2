"""The PDF of a mail: the scorecards of all people, with trends and definitions."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache
from typing import Any

from amkpi.scorecards.model import Scorecard
from amkpi.scorecards.render.chart import FONTS, bar_height
from amkpi.scorecards.render.jinja import TEMPLATES
from amkpi.scorecards.render.object_streams import with_object_streams

# With the workbook and the bodies, a mail stays below 2 MB.
MOST_PDF_BYTES = 700_000
# Typst takes seconds for more.
MOST_FULL_CARDS = 150


def pdf(card: Scorecard) -> bytes:
    """A tagged PDF with numbered pages. Its date is that of the publication: the same card gives equal bytes.

    Where the full scorecards of everybody are too many, those who need attention most are there, and the PDF says so.
    """
    keep = min(len(card.everyone), MOST_FULL_CARDS)
    while True:
        made = with_object_streams(_compiled(_with_full_cards(card, keep)))
        if len(made) <= MOST_PDF_BYTES or not keep:
            return made
        keep = min(keep - 1, keep * MOST_PDF_BYTES // len(made))


def _with_full_cards(card: Scorecard, keep: int) -> Scorecard:
    """The scorecard with the full cards of so many people: the first rows of the matrix, which is ordered by need."""
    chosen = {row.staff_id for row in card.matrix.rows[:keep]} if card.matrix else set()
    return replace(card, everyone=tuple(each for each in card.everyone if each.staff_id in chosen))


def _compiled(card: Scorecard) -> bytes:
    import typst

    given = {
        "language": card.recipient.language,
        "day": card.as_of.isoformat(),
        "labels": dict(card.labels),
        "title": card.subject,
        "eyebrow": card.eyebrow,
        "heading": card.heading,
        "personal": card.personal,
        "state": card.state,
        "lead": list(card.lead),
        "tiles": [asdict(each) for each in card.tiles],
        "todos": [asdict(each) for each in card.todos],
        "chart_title": card.chart_title,
        "chart_text": card.chart_text,
        "cards": [asdict(each) for each in card.cards],
        "teams": asdict(card.teams) if card.teams else None,
        "matrix": asdict(card.matrix) if card.matrix else None,
        "bars": [asdict(each) | {"height": bar_height(each.score, card.chart)} for each in card.chart],
        "everyone": [asdict(each) for each in card.everyone],
        "are_all": card.matrix is None or len(card.everyone) == len(card.matrix.rows),
        "changes": list(card.all_changes),
        "adjustments": list(card.all_adjustments),
        "warnings": list(card.warnings),
        "definitions": [asdict(each) for each in card.definitions],
        "publication": card.publication_id,
        "register": asdict(card.register) if card.register else None,
    }
    made = typst.compile(
        str(TEMPLATES / "scorecard.typ"),
        root=str(TEMPLATES),
        font_paths=_fonts(),
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"card": json.dumps(given, ensure_ascii=False)},
        timestamp=int(card.published_at.timestamp()),
    )
    assert isinstance(made, bytes)
    return made


@cache
def _fonts() -> Any:
    """The fonts of the folder, read once: to read them for each mail took half of its PDF."""
    import typst

    return typst.Fonts(include_system_fonts=False, font_paths=[str(FONTS)])
