"""Words of pages for what the extracts give as free text."""

from __future__ import annotations

from typing import Any

import pytest

from amkpi.core.language.translator import Translator
from amkpi.pages.model import Name
from amkpi.pages.render.html import rich
from amkpi.pages.sections.words import industry_of, place_of
from amkpi.sample_agency.names import INDUSTRIES


@pytest.mark.parametrize("industry", [*INDUSTRIES, "tech", "Real Estate", " FMCG "])
def test_a_known_industry_is_in_the_language_of_the_page(industry: str) -> None:
    vietnamese, english = (industry_of(_context(language), industry) for language in ("vi", "en"))
    assert isinstance(vietnamese[0], str)
    assert vietnamese != english


def test_an_unknown_industry_stays_as_it_was_delivered() -> None:
    assert industry_of(_context("vi"), "Ngành <b> lạ") == (Name("Ngành <b> lạ"),)


def test_the_name_of_a_file_is_text_and_is_cut_where_it_is_very_long() -> None:
    assert rich(place_of("projects/<b>.csv", 7)) == "<bdi>projects/&lt;b&gt;.csv:7</bdi>"
    (name,) = place_of(f"projects/{'x' * 300}.csv", 1234)
    assert isinstance(name, Name)
    assert len(name.text) < 90
    assert name.text.endswith("x.csv:1234")


def _context(language: Any) -> Any:
    return Translator(language)
