"""The PDF of a mail: the scorecards of all people, with trends and definitions."""

from __future__ import annotations

import json
from dataclasses import asdict

from amkpi.scorecards.model import Scorecard
from amkpi.scorecards.render.chart import FONTS, bar_height
from amkpi.scorecards.render.jinja import TEMPLATES


def pdf(card: Scorecard) -> bytes:
    """A tagged PDF with numbered pages. Its date is that of the publication: the same card gives equal bytes."""
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
        "attention_title": card.attention_title,
        "attention": [asdict(each) for each in card.attention],
        "chart_title": card.chart_title,
        "chart_text": card.chart_text,
        "cards": [asdict(each) for each in card.cards],
        "matrix": asdict(card.matrix) if card.matrix else None,
        "bars": [asdict(each) | {"height": bar_height(each.score, card.chart)} for each in card.chart],
        "everyone": [asdict(each) for each in card.everyone],
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
        font_paths=[str(FONTS)],
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"card": json.dumps(given, ensure_ascii=False)},
        timestamp=int(card.published_at.timestamp()),
    )
    assert isinstance(made, bytes)
    return made
