"""The page of the extracts has every column and every rule."""

from __future__ import annotations

from amkpi.ingestion.contracts.extracts import EXTRACTS, REASONS
from tools.docs.extracts import broken_by, page


def test_the_extracts_page_has_every_column_and_every_rule() -> None:
    made = page("en")
    for extract in EXTRACTS.values():
        section = made.split(f"\n## {extract.name}\n")[1].split("\n## ")[0]
        for column in extract.columns:
            assert f"`{column.name}`" in section
        for reason, lines in broken_by(extract, "en").items():
            assert (f"| `{reason}` |" in section) == bool(lines)


def test_each_reason_code_breaks_some_rule_of_some_extract() -> None:
    broken = {reason for each in EXTRACTS.values() for reason, lines in broken_by(each, "en").items() if lines}
    assert broken == set(REASONS)
