"""What a mail uses that Gmail, Outlook or Apple Mail lacks, by caniemail's tables: a short list with a reason each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from amkpi.core.run import Run
from tests.scorecards.test_mails import Page, mails, part

UNSUPPORTED: dict[str, list[str]] = json.loads((Path(__file__).parent / "caniemail.json").read_text(encoding="utf-8"))[
    "unsupported"
]

# Each is an ornament or a hint: the mail reads the same where it is missing.
ACCEPTED = {
    "css-at-media": "wider margins from 600 px on; the Gmail app for other accounts keeps the narrow ones",
    "css-at-media-prefers-color-scheme": "dark colours; Gmail and Outlook invert by themselves or stay light",
    "css-color-scheme": "says that dark colours are there",
    "html-meta-color-scheme": "says that dark colours are there",
    "html-style": "what stays in the head; the mobile web page of Gmail drops it, and the mail reads without",
    "html-body": "its ground; the table on it has the same",
    "css-border-radius": "round corners; Outlook on Windows shows square ones",
    "css-max-width": "one column of 680 px; Outlook on Windows takes the whole width",
    "css-max-height": "belt and braces of the hidden preview line",
    "css-overflow": "belt and braces of the hidden preview line",
    "css-border-spacing": "gaps of the matrix, which `cellspacing` gives too",
    "html-role": "tables that lay out are told apart for screen readers",
    "html-aria-label": "the trend's numbers for screen readers; the plain text and the PDF have them too",
    "css-display-none": "the preview line; where it is not hidden it says what the mail says below",
    "css-word-break": "the hash of the register on two lines; Windows Mail, which is discontinued, shows one",
    "css-white-space": "a status on one line; Outlook on Windows may break it after its dash",
    "css-selector-descendant": "dark colours inside boxes",
    "css-selector-chaining": "dark colours of statuses",
}  # fmt: skip
# caniemail has no entry: as old as CSS itself.
UNLISTED = {"color", "supported-color-schemes"}


def used(page: str) -> set[str]:
    """The features that an HTML mail uses, as caniemail names them."""
    found: set[str] = set()
    read = Page(page)
    head = page.split("<style>")[1].split("</style>")[0]
    styles = [value for name, value in read.attributes if name == "style"]
    blocks = [*styles, *re.findall(r"{([^{}]*)}", head)]
    for declaration in ";".join(blocks).split(";"):
        name, _, value = declaration.partition(":")
        name = name.strip()
        if not name or name in UNLISTED:
            continue
        if name == "display":
            name = f"display-{value.strip()}" if value.strip() == "none" else name
        slug = next(
            (
                s
                for s in (f"css-{name}", f"css-{name.rsplit('-', 1)[0]}", f"css-{name.split('-')[0]}")
                if s in UNSUPPORTED
            ),
            None,
        )
        assert slug, f"caniemail knows nothing of {name}: look it up, and list it here"
        found.add(slug)
    found |= {f"css-at-{rule}" for rule in re.findall(r"@([a-z-]+)", head)}
    if "prefers-color-scheme" in head:
        found.add("css-at-media-prefers-color-scheme")
    if re.search(r"\.\w+ \.?\w+", head):
        found.add("css-selector-descendant")
    for tag in read.tags:
        found |= {f"html-{tag}"} & UNSUPPORTED.keys()
    for name, _ in read.attributes:
        found |= {f"html-{name}"} & UNSUPPORTED.keys()
    if "color-scheme" in [value for name, value in read.attributes if name == "name"]:
        found.add("html-meta-color-scheme")
    return found


@pytest.mark.slow
def test_what_a_client_lacks_is_on_the_list_with_a_reason(run: Run) -> None:
    features = {feature for mail in mails(run).values() for feature in used(part(mail, "html"))}
    assert len(features) > 25
    lacking = {feature: UNSUPPORTED[feature] for feature in features if UNSUPPORTED.get(feature)}
    assert lacking.keys() <= ACCEPTED.keys(), {k: v for k, v in lacking.items() if k not in ACCEPTED}
    assert len(lacking) <= len(ACCEPTED)


def test_the_table_knows_what_fails() -> None:
    assert UNSUPPORTED["css-variables"]
    assert UNSUPPORTED["html-svg"]
    assert not UNSUPPORTED["html-table"]
