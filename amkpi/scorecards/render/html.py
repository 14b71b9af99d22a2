"""The HTML of a mail: styles inside the tags, below the size at which Gmail cuts a mail off."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

from amkpi.scorecards.model import Scorecard
from amkpi.scorecards.render.jinja import TEMPLATES, rendered

# Gmail cuts a mail off above 102 KB.
MOST_HTML_BYTES = 95_000
# Attributes whose values are words of the templates and need no quotes.
_UNQUOTED = re.compile(r' (class|role|scope|align|valign|width|height|cellspacing|cellpadding)="([a-z0-9]+)"')


def html(card: Scorecard) -> str:
    """The mail's HTML. Styles are inside the tags; rules that only some clients support stay in the head."""
    return styled(rendered("mail.html.j2", card, escaped=True))


def styled(page: str) -> str:
    """A page of a template with the styles of mails inside its tags."""
    page = _inliner().inline(page)
    # Classes that only served the inlining are a seventh of the mail.
    page = re.sub(r' class="([^"]*)"', _only_used_classes, page)
    page = re.sub(r' style="[^"]*"', _without_spaces, page)
    page = re.sub(r"</?tbody>", "", re.sub(r">\s*\n\s*<", ">\n<", page))
    page = _UNQUOTED.sub(r" \1=\2", page)
    return page.replace("</head>", f"<style>\n{_head_css()}</style>\n</head>", 1)


def fitted(card: Scorecard) -> tuple[Scorecard, str]:
    """The scorecard with as many people as fit into a mail that Gmail does not cut off, and its HTML.

    Full cards are left out first, then rows of the matrix; the people who need help most stay. The PDF has everybody.
    """
    while len((page := html(card)).encode()) > MOST_HTML_BYTES:
        if card.people_in_mail:
            card = replace(card, people_in_mail=card.people_in_mail[:-1])
        elif (matrix := card.matrix_in_mail) and matrix.rows:
            card = replace(card, matrix_in_mail=replace(matrix, rows=matrix.rows[: len(matrix.rows) * 9 // 10]))
        else:
            break
    return card, page


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


def _without_spaces(found: re.Match[str]) -> str:
    return re.sub(r"\s*([:;])\s*", r"\1", found[0]).replace(';"', '"')
