"""The page of an audit, as a person sees it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from amkpi.core.findings import Finding
from amkpi.expectations import page
from amkpi.expectations.context import AuditContext
from tests.conftest import AS_OF, Agency
from tests.expectations.findings import BLOCKED, HOSTILE, PASSED, WARNED

CONTEXT = AuditContext(AS_OF, datetime(2026, 10, 17, 19, 5, tzinfo=UTC))  # 18/10/2026 02:05 in Vietnam


def page_of(agency: Agency, *findings: Finding, current: Path | None = None) -> str:
    return page.render("0123456789abcdef", CONTEXT, findings, agency.run.settings, current)


def text_of(page: str) -> str:
    """What a reader sees of a page, with single spaces."""
    parts: list[str] = []

    class Reader(HTMLParser):
        hidden = 0

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.hidden += tag in ("style", "title")

        def handle_endtag(self, tag: str) -> None:
            self.hidden -= tag in ("style", "title")

        def handle_data(self, data: str) -> None:
            if not self.hidden:
                parts.append(data)

    Reader().feed(page)
    return " ".join(" ".join(parts).split())


def test_the_page_begins_with_what_failed_since_when_and_then_what_to_do(agency: Agency) -> None:
    since = datetime(2026, 10, 12, 2, 4, tzinfo=UTC)
    page = text_of(page_of(agency, PASSED, replace(WARNED, since=since), current=Path("kpi_fedcba9876543210.duckdb")))
    assert page.startswith(
        "Passed, with 1 warning This build can be published. The warnings are published with it."
        " Figures as of 17/10/2026 · audited 18/10/2026 02:05 +07"
        " 0 blocking 1 warning 1 of 2 checks passed"
        " What failed ! No two clients share a name 1 name since 12/10/2026"
    )
    assert "K1 Nhà Đẹp = K2 NHA DEP What to do. Merge them with amkpi ." in page
    assert "✓ Numbers are finite 0 rows" in page


def test_the_page_of_a_blocked_audit_names_the_current_publication(agency: Agency) -> None:
    page = text_of(page_of(agency, WARNED, BLOCKED, current=Path("kpi_fedcba9876543210.duckdb")))
    assert page.startswith(
        "Blocked: nothing new is published Readers still see the last good publication, fedcba9876543210."
    )
    # Blocking failures come first.
    assert page.index("Few enough rows are quarantined") < page.index("No two clients share a name")
    assert "1 extract: contracts 33.3 % (2 of 6 rows) 2 rows concerned a.csv line 2 a.csv line 4" in page
    assert "There is no earlier publication" in page_of(agency, BLOCKED)


def test_the_page_of_an_audit_without_failures_says_so(agency: Agency) -> None:
    page = text_of(page_of(agency, PASSED))
    assert page.startswith("Passed: no check failed")
    assert "What failed" not in page


def test_rows_after_the_third_are_folded_and_the_unlisted_are_counted(agency: Agency) -> None:
    rows = tuple(f"K{number:02} Nhà = X" for number in range(20))
    page = page_of(
        agency, replace(WARNED, rows=rows, observed=f"71 names: {'; '.join(rows[:3])}; …", unexpected_count=71)
    )
    visible, _, folded = page.partition("<details>")
    assert "K02" in visible
    assert "K03" not in visible
    assert "K19" in folded
    assert "17 more, and 51 that are not listed" in text_of(page)


def test_text_from_outside_is_escaped(agency: Agency) -> None:
    finding = replace(WARNED, observed=f"1 name: {HOSTILE}", rows=(HOSTILE,), advice=HOSTILE, table_name=HOSTILE)
    page = page_of(agency, finding, replace(finding, rows=(), success=True))
    assert page.count("&lt;b&gt;Trà Xanh&lt;/b&gt;") > 3
    assert "<b>Trà" not in page
    assert "<script" not in page
    assert HOSTILE in text_of(page)


def test_the_page_loads_no_other_file(agency: Agency) -> None:
    page = page_of(agency, PASSED, WARNED, BLOCKED)
    assert not re.search(r"\b(src|srcset|action)=|url\(|@import|//", page)
    assert {link[:1] for link in re.findall(r'href="([^"]*)"', page)} == {"#"}
    assert not re.search(r"<(script|img|link|iframe|object|form)\b", page)
    anchors = re.findall(r'href="#([^"]+)"', page)
    assert anchors
    assert all(f'id="{anchor}"' in page for anchor in anchors)


def test_the_page_suits_a_phone_and_a_dark_screen(agency: Agency) -> None:
    page = page_of(agency, PASSED)
    assert 'name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme: dark" in page
