"""A scorecard as HTML, plain text, PDF, chart and workbook. Nothing is computed here but looks."""

from __future__ import annotations

import io
import json
import re
from dataclasses import asdict, replace
from functools import cache
from typing import Any

from amkpi.core.paths import PACKAGE
from amkpi.scorecards.model import ScoreBar, Scorecard

TEMPLATES = PACKAGE / "scorecards" / "templates"
FONTS = PACKAGE / "scorecards" / "fonts"
# Gmail cuts a mail off above 102 KB.
MOST_HTML_BYTES = 95_000
CHART_ID = "chart"
# Attributes of the templates' own words, which need no quotes.
_BARE = r' (class|role|scope|align|valign|width|height|cellspacing|cellpadding)="([a-z0-9]+)"'


@cache
def _environment(escaped: bool) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Not `select_autoescape()`: it knows *.html, not *.html.j2.
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
    """The text with its last sign or two, `₫` or `%`, kept on the line of what stands before."""
    return re.sub(r" (?=\S{1,2}$)", "\u00a0", text)


@cache
def _inliner() -> Any:
    import css_inline

    return css_inline.CSSInliner(
        extra_css=(TEMPLATES / "mail.css").read_text(encoding="utf-8"),
        load_remote_stylesheets=False,
        keep_style_tags=False,
    )


@cache
def _head_css() -> str:
    text = (TEMPLATES / "mail_head.css").read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/\s*", "", text, flags=re.DOTALL)


@cache
def _classes_in_head() -> frozenset[str]:
    return frozenset(re.findall(r"\.([a-z_]+)", _head_css()))


def _only_used_classes(found: re.Match[str]) -> str:
    kept = [name for name in found[1].split() if name in _classes_in_head()]
    return f' class="{" ".join(kept)}"' if kept else ""


def fitted(card: Scorecard) -> Scorecard:
    """The scorecard with as many people as a mail takes before Gmail cuts it: full cards go first, then rows of the
    matrix, those who need help least first. Everybody stays in the PDF."""
    while len(html(card).encode()) > MOST_HTML_BYTES:
        if card.people_in_mail:
            card = replace(card, people_in_mail=card.people_in_mail[:-1])
        elif card.matrix and card.matrix.rows:
            card = replace(card, matrix=replace(card.matrix, rows=card.matrix.rows[: len(card.matrix.rows) * 9 // 10]))
        else:
            break
    return card


def _tight(found: re.Match[str]) -> str:
    return re.sub(r"\s*([:;])\s*", r"\1", found[0]).replace(';"', '"')


def html(card: Scorecard) -> str:
    """The mail's HTML, styles in the tags; what only some clients take stays in the head."""
    page = _environment(escaped=True).get_template("mail.html.j2").render(**_given(card))
    page = _inliner().inline(page)
    # Classes that only served the inlining are a seventh of the mail.
    page = re.sub(r' class="([^"]*)"', _only_used_classes, page)
    page = re.sub(r' style="[^"]*"', _tight, page)
    page = re.sub(r"</?tbody>", "", re.sub(r">\s*\n\s*<", ">\n<", page))
    page = re.sub(
        r' (class|role|scope|align|valign|width|height|cellspacing|cellpadding)="([a-z0-9]+)"', r" \1=\2", page
    )
    return page.replace("</head>", f"<style>\n{_head_css()}</style>\n</head>", 1)


def text(card: Scorecard) -> str:
    """The same in plain text."""
    page = _environment(escaped=False).get_template("mail.txt.j2").render(**_given(card))
    return re.sub(r"\n{3,}", "\n\n", page).strip() + "\n"


def _given(card: Scorecard) -> dict[str, Any]:
    return {
        "card": card,
        "main": card.cards[0],
        "words": card.words,
        "language": card.recipient.language,
        "chart_id": CHART_ID,
    }


def chart(card: Scorecard) -> bytes:
    """The weighted score of six periods as PNG, on the header's own dark ground: the same in light and dark mode."""
    from PIL import Image, ImageDraw, ImageFont

    width, height, floor = 920, 350, 290
    image = Image.new("RGB", (width, height), "#14213d")
    draw = ImageDraw.Draw(image)
    bold = ImageFont.truetype(str(FONTS / "NotoSans-Bold.ttf"), 33)
    small = ImageFont.truetype(str(FONTS / "NotoSans-Regular.ttf"), 30)
    draw.text((0, 0), card.chart_title, font=small, fill="#c9d4e8")
    slot = width / len(card.chart)
    draw.line((0, floor, width, floor), fill="#4a5f8a", width=2)
    for place, bar in enumerate(card.chart):
        middle = slot * (place + 0.5)
        last = place == len(card.chart) - 1
        draw.text((middle, floor + 8), bar.period, font=small, fill="#c9d4e8", anchor="ma")
        share = _height(bar.score, card.chart)
        rise = floor - 4 if share is None else floor - 160 * share
        if share is not None:
            box = (middle - 40, min(rise, floor - 3), middle + 40, floor)
            draw.rectangle(box, fill="#8fb3f0" if last else "#4f6ea8")
        said = bar.text + (f" {bar.rating}" if bar.rating else "")
        draw.text((middle, rise - 8), said, font=bold, fill="#ffffff", anchor="md")
    out = io.BytesIO()
    image.quantize(32, method=Image.Quantize.FASTOCTREE).save(out, "PNG", compress_level=9)
    return out.getvalue()


def _height(score: float | None, bars: tuple[ScoreBar, ...]) -> float | None:
    """A bar's height as a share of the highest, or of 100 where all are lower."""
    top = max([100.0, *(bar.score for bar in bars if bar.score is not None)])
    return None if score is None else max(0.0, score) / top


def pdf(card: Scorecard) -> bytes:
    """Everybody's cards with trends, definitions and sample sizes; tagged, its pages numbered."""
    import typst

    given = {
        "language": card.recipient.language,
        "day": card.as_of.isoformat(),
        "words": dict(card.words),
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
        "bars": [asdict(each) | {"height": _height(each.score, card.chart)} for each in card.chart],
        "everyone": [asdict(each) for each in card.everyone],
        "changes": list(card.all_changes),
        "warnings": list(card.warnings),
        "definitions": [asdict(each) for each in card.definitions],
        "publication": card.publication_id,
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


def workbook(card: Scorecard) -> bytes:
    """The records behind the values as XLSX. Every text is a string cell: what begins like a formula is none."""
    import xlsxwriter

    words = card.words
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    book.set_properties({"created": card.published_at.replace(tzinfo=None, microsecond=0), "title": card.subject})
    head, day = book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": "dd/mm/yyyy"})
    sheet = book.add_worksheet(words["evidence"][:31])
    names = ("kpi", "person", "client_id", "client", "date", "extract", "record", "numerator", "denominator")
    for column, name in enumerate(names):
        sheet.write_string(0, column, words[name], head)
    for number, row in enumerate(card.evidence, start=1):
        for column, cell in enumerate((row.kpi, row.person, row.client_id, row.client)):
            sheet.write_string(number, column, cell)
        if row.event_date is not None:
            sheet.write_datetime(number, 4, row.event_date, day)
        sheet.write_string(number, 5, row.extract)
        sheet.write_string(number, 6, row.source_id)
        for column, amount in ((7, row.numerator), (8, row.denominator)):
            if amount is not None:
                sheet.write_number(number, column, amount)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(1, len(card.evidence)), len(names) - 1)
    for column, width in enumerate((32, 26, 12, 40, 12, 18, 14, 16, 16)):
        sheet.set_column(column, column, width)
    book.close()
    return out.getvalue()
