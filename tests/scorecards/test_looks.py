"""Colours of the mail and the PDF stand out for eyes that are not young: WCAG's 4.5 : 1 for text, 3 : 1 for bars."""

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


def marks() -> dict[str, tuple[str, str]]:
    """Every bar and line that carries a meaning: its colour and its ground. WCAG asks for 3 : 1 of them."""
    light, dark = colour(LIGHT, ".box", "background"), colour(DARK, ".box", "background")
    baseline = re.findall(r"\.b \{[^}]*border-bottom: 1px solid (#\w+)", LIGHT)[0]
    found = {
        "light trend": (colour(LIGHT, ".b", "color"), light),
        "light trend, last": (colour(LIGHT, ".z", "color"), light),
        "light baseline": (baseline, light),
        "light target": (colour(LIGHT, ".j", "background"), light),
        "dark trend": (colour(LIGHT, ".b", "color"), dark),
        "dark trend, last": (colour(DARK, ".z", "color"), dark),
        "dark baseline": (baseline, dark),
        "dark target": (colour(DARK, ".j", "background"), dark),
    }
    for status in ("ok", "ar", "of", "na"):
        found[f"light bar {status}"] = (colour(LIGHT, f".f{status}", "background"), light)
        found[f"dark bar {status}"] = (colour(DARK, f".f{status}", "background"), dark)
    typst = (TEMPLATES / "scorecard.typ").read_text(encoding="utf-8")
    filled = re.findall(r"(\w+): rgb\(\"(#\w+)\"\)", typst.split("#let fills")[1].split("#let")[0])
    found |= {f"pdf bar {name}": (value, "#ffffff") for name, value in filled}
    trend = typst.split("#let bars")[1].split("#let")[0]
    # The first is the baseline, the last two are the bars; `hair` marks a period without a value.
    found |= {f"pdf trend {value}": (value, "#ffffff") for value in re.findall(r"rgb\(\"(#\w+)\"\)", trend)}
    chart = (PACKAGE / "scorecards" / "render" / "chart.py").read_text(encoding="utf-8")
    ground = colour(LIGHT, ".hero", "background")
    bars = re.findall(r'fill="(#\w+)" if last else "(#\w+)"', chart)[0]
    return found | {f"chart {value}": (value, ground) for value in bars}


@pytest.mark.parametrize("name", pairs())
def test_every_text_stands_out_from_its_ground(name: str) -> None:
    text, ground = pairs()[name]
    assert contrast(text, ground) >= 4.5, f"{text} on {ground}"


@pytest.mark.parametrize("name", marks())
def test_every_bar_and_line_stands_out_from_its_ground(name: str) -> None:
    mark, ground = marks()[name]
    assert contrast(mark, ground) >= 3, f"{mark} on {ground}"


def test_the_pairs_are_those_of_seven_statuses_in_three_places() -> None:
    assert len(pairs()) == 7 + 3 * 4 + 7 + 1
    assert len(marks()) == 8 + 2 * 4 + 7 + 3 + 2
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") < 4.5
