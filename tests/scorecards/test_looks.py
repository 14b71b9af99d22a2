"""Colours of the mail and the PDF can be told apart by eyes that are not young: WCAG's 4.5 : 1, light and dark."""

from __future__ import annotations

import re

import pytest

from amkpi.core.paths import PACKAGE

TEMPLATES = PACKAGE / "scorecards" / "render" / "templates"
LIGHT = (TEMPLATES / "mail.css").read_text(encoding="utf-8")
DARK = (TEMPLATES / "mail_head.css").read_text(encoding="utf-8").split("scheme: dark)")[1].split("\n}\n")[0]


def colour(css: str, selector: str, name: str) -> str:
    """What the last rule whose list of selectors has this one says of `color` or `background`."""
    found = [
        declared[1]
        for rule in re.finditer(r"([^{}]+)\{([^{}]*)\}", css)
        if selector in [each.strip().splitlines()[-1] for each in rule[1].split(",")]
        if (declared := re.search(rf"(?<![-\w]){name}:\s*(#[0-9a-f]{{6}})", rule[2]))
    ]
    assert found, f"{selector} says nothing of {name}"
    return found[-1]


def luminance(value: str) -> float:
    channels = [int(value[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.1's contrast ratio, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def pairs() -> dict[str, tuple[str, str]]:
    """Every text of the mail and of the PDF: its colour and its ground."""
    found = {
        "light text": (colour(LIGHT, ".box", "color"), colour(LIGHT, ".box", "background")),
        "light small text": (colour(LIGHT, ".m", "color"), colour(LIGHT, ".box", "background")),
        "light foot": (colour(LIGHT, ".foot", "color"), colour(LIGHT, "body", "background")),
        "head": (colour(LIGHT, ".hero p", "color"), colour(LIGHT, ".hero", "background")),
        "dark text": (colour(DARK, ".box", "color"), colour(DARK, ".box", "background")),
        "dark small text": (colour(DARK, ".m", "color"), colour(DARK, ".box", "background")),
        "dark foot": (colour(DARK, ".foot", "color"), colour(DARK, "body", "background")),
    }
    for status in ("ok", "ar", "of", "na"):
        ground = colour(LIGHT, f"b.{status}", "background")
        found[f"light {status}"] = (colour(LIGHT, f"b.{status}", "color"), ground)
        found[f"light cell {status}"] = (colour(LIGHT, ".box", "color"), colour(LIGHT, f"td.{status}", "background"))
        found[f"dark {status}"] = (colour(DARK, f".{status}", "color"), colour(DARK, f".{status}", "background"))
    typst = (TEMPLATES / "scorecard.typ").read_text(encoding="utf-8")
    for name, ground, text in re.findall(r'(\w+): \(rgb\("(#\w+)"\), rgb\("(#\w+)"\)\)', typst):
        found[f"pdf {name}"] = (text, ground)
    muted = re.findall(r'#let muted = rgb\("(#\w+)"\)', typst)
    return found | {"pdf small text": (muted[0], "#ffffff")}


@pytest.mark.parametrize("name", pairs())
def test_every_text_stands_out_from_its_ground(name: str) -> None:
    text, ground = pairs()[name]
    assert contrast(text, ground) >= 4.5, f"{text} on {ground}"


def test_the_pairs_are_those_of_six_statuses_in_three_places() -> None:
    assert len(pairs()) == 7 + 3 * 4 + 6 + 1
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") < 4.5
