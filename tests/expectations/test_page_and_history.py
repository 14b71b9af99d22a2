"""Earlier audits and the page: what is remembered, and what a person sees."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from amkpi.core.errors import AmkpiError, AuditBlocked
from amkpi.core.findings import Finding
from amkpi.core.publication_id import published_file
from amkpi.core.storage.warehouse import connect
from amkpi.expectations import history, page
from amkpi.expectations.context import Occasion
from amkpi.ingestion.tables import create_tables
from amkpi.pipeline import steps
from tests.conftest import AS_OF, Agency

MOMENT = datetime(2026, 10, 17, 19, 5, tzinfo=UTC)  # 18/10/2026 02:05 in Vietnam
OCCASION = Occasion(AS_OF, MOMENT)
HOSTILE = '<b>Trà Xanh</b> & "O\'Hara" <script>alert(1)</script>'

MET = Finding("marts", "numbers_are_finite", "marts.kpi_values", "value", True, "blocking", "0 rows", 0, "Build again.")
DOUBT = Finding(
    "agency", "no_two_clients_share_a_name", "staging.stg_clients", "client_name", False, "warning",
    "1 name: K1 Nhà Đẹp = K2 NHA DEP", 1, "Merge them with `amkpi`.", ("K1 Nhà Đẹp = K2 NHA DEP",),
)  # fmt: skip
FAULT = Finding(
    "raw", "few_enough_rows_are_quarantined", "validation.quarantine", None, False, "blocking",
    "1 extract: contracts 33.3 % (2 of 6 rows)", 1, "Look for the reason.", ("a.csv line 2", "a.csv line 4"),
)  # fmt: skip


def page_of(agency: Agency, *findings: Finding, current: Path | None = None) -> str:
    return page.render("0123456789abcdef", OCCASION, findings, agency.run.settings, current)


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


@pytest.fixture
def loaded(agency: Agency) -> Agency:
    """An agency whose ledger holds three runs, without a build."""
    with connect(agency.home, agency.run.settings) as connection:
        create_tables(connection)
        connection.execute(
            "insert into raw.ledger select range, range, 'a.csv', 'clients', null, 'x', 1, 'loaded', null, 1,"
            " timestamptz '2026-10-17 18:00:00+00', true from range(1, 4)"
        )
    return agency


def keep(agency: Agency, *findings: Finding, days: int = 0, identity: str = "a" * 16) -> tuple[Finding, ...]:
    occasion = replace(OCCASION, moment=MOMENT + timedelta(days=days))
    return history.keep(agency.home, agency.run.settings, identity, occasion, findings)[0]


def publication(agency: Agency, identity: str, as_of: date) -> Path:
    """A file as publishing makes it, as far as an audit reads it before it compares."""
    path = published_file(agency.home, identity)
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create schema marts; create table marts.publication as select date '{as_of}' as as_of")
    return path


# -- what is remembered ------------------------------------------------------------------------------------------------


def test_a_failure_is_dated_from_the_first_audit_of_those_in_a_row(loaded: Agency) -> None:
    sound = replace(DOUBT, success=True)
    assert keep(loaded, DOUBT, days=0)[0].since == MOMENT
    assert keep(loaded, sound, days=1)[0].since is None
    assert keep(loaded, DOUBT, days=2)[0].since == MOMENT + timedelta(days=2)
    assert keep(loaded, DOUBT, days=3)[0].since == MOMENT + timedelta(days=2)
    # A check that was not asked in between is not met by that.
    keep(loaded, MET, days=4)
    found = keep(loaded, DOUBT, FAULT, days=5)
    assert [finding.since for finding in found] == [MOMENT + timedelta(days=2), MOMENT + timedelta(days=5)]
    assert str(found[0].since) == "2026-10-20 02:05:00+07:00"


def test_only_the_runs_that_no_audit_judged_are_new(loaded: Agency) -> None:
    def seen() -> int | None:
        return history.occasion(loaded.home, loaded.run.settings, AS_OF, MOMENT).seen_run

    assert seen() == 0
    keep(loaded, MET)
    assert seen() == 0  # the same runs once more: what was new then is new still
    with connect(loaded.home, loaded.run.settings) as connection:
        connection.execute("insert into raw.ledger select * replace (4 as delivery, 4 as run) from raw.ledger limit 1")
    assert seen() == 3


def test_it_is_compared_with_the_newest_publication_of_the_same_date(loaded: Agency) -> None:
    def published() -> Path | None:
        return history.occasion(loaded.home, loaded.run.settings, AS_OF, MOMENT).published

    assert published() is None
    older = publication(loaded, "1" * 16, AS_OF)
    keep(loaded, MET, identity="1" * 16)
    current = publication(loaded, "2" * 16, AS_OF + timedelta(days=1))
    loaded.home.current.symlink_to(current.name)
    assert published() == older
    current.unlink()
    current = publication(loaded, "2" * 16, AS_OF)
    assert published() == current


def test_a_broken_publication_is_passed_over(loaded: Agency) -> None:
    file = published_file(loaded.home, "3" * 16)
    file.write_text("no database")
    loaded.home.current.symlink_to(file.name)
    assert history.occasion(loaded.home, loaded.run.settings, AS_OF, MOMENT).published is None


def test_a_broken_store_is_told_in_one_line(loaded: Agency) -> None:
    (loaded.home.state / "audits.sqlite").write_text("no database, and long enough to be taken for one" * 30)
    with pytest.raises(AmkpiError, match=r"audits\.sqlite cannot be used: .*; if it stays, move it away"):
        history.occasion(loaded.home, loaded.run.settings, AS_OF, MOMENT)


def test_the_last_audit_is_told_with_its_verdict_and_page(loaded: Agency) -> None:
    assert history.last_audit(loaded.home) is None
    keep(loaded, DOUBT, FAULT)
    last = history.last_audit(loaded.home)
    assert last is not None
    assert (last.passed, last.warnings, last.as_of, last.moment) == (False, 1, AS_OF, MOMENT)
    assert (loaded.home.audits / last.page).is_file()


def test_a_failure_while_the_page_is_written_keeps_nothing(loaded: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(page: Path, text: str) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(history, "write_page", full)
    with pytest.raises(OSError, match="No space"):
        keep(loaded, DOUBT)
    with sqlite3.connect(loaded.home.state / "audits.sqlite") as connection:
        assert connection.execute("select count(*) from audits").fetchall() == [(0,)]


# -- the page ----------------------------------------------------------------------------------------------------------


def test_each_audit_has_a_page_and_the_newest_ones_stay(loaded: Agency) -> None:
    loaded.set(keep_audit_pages=2)
    for number in range(3):
        keep(loaded, MET, days=number, identity=str(number) * 16)
    names = sorted(path.name for path in loaded.home.audits.iterdir())
    assert names == [f"audit_2026-10-17_{'1' * 16}.html", f"audit_2026-10-17_{'2' * 16}.html", "latest.html"]
    assert (loaded.home.audits / "latest.html").readlink() == Path(names[1])


def test_the_page_says_in_one_look_what_failed_since_when_and_what_to_do(agency: Agency) -> None:
    since = datetime(2026, 10, 12, 2, 4, tzinfo=UTC)
    page = text_of(page_of(agency, MET, replace(DOUBT, since=since), current=Path("kpi_fedcba9876543210.duckdb")))
    assert page.startswith(
        "Passed, with 1 warning Fit to be published; the warnings are published with it."
        " Figures as of 17/10/2026 · audited 18/10/2026 02:05 +07"
        " 0 blocking 1 warning 1 of 2 checks met"
        " What failed ! No two clients share a name 1 name since 12/10/2026"
    )
    assert "K1 Nhà Đẹp = K2 NHA DEP What to do. Merge them with amkpi ." in page
    assert "✓ Numbers are finite 0 rows" in page


def test_a_blocked_audit_says_what_readers_keep(agency: Agency) -> None:
    page = text_of(page_of(agency, DOUBT, FAULT, current=Path("kpi_fedcba9876543210.duckdb")))
    assert page.startswith(
        "Blocked: nothing new is published Readers keep the last good publication, fedcba9876543210."
    )
    # What blocks comes first.
    assert page.index("Few enough rows are quarantined") < page.index("No two clients share a name")
    assert "1 extract: contracts 33.3 % (2 of 6 rows) 2 rows concerned a.csv line 2 a.csv line 4" in page
    assert "There is no earlier publication" in page_of(agency, FAULT)


def test_an_audit_without_failure_says_so(agency: Agency) -> None:
    page = text_of(page_of(agency, MET))
    assert page.startswith("Passed: every check is met")
    assert "What failed" not in page


def test_more_rows_than_three_are_folded_and_those_left_out_are_counted(agency: Agency) -> None:
    rows = tuple(f"K{number:02} Nhà = X" for number in range(20))
    page = page_of(
        agency, replace(DOUBT, rows=rows, observed=f"71 names: {'; '.join(rows[:3])}; …", unexpected_count=71)
    )
    visible, _, folded = page.partition("<details>")
    assert "K02" in visible
    assert "K03" not in visible
    assert "K19" in folded
    assert "17 more, and 51 that are not listed" in text_of(page)


def test_what_came_from_outside_is_shown_and_never_obeyed(agency: Agency) -> None:
    finding = replace(DOUBT, observed=f"1 name: {HOSTILE}", rows=(HOSTILE,), advice=HOSTILE, table_name=HOSTILE)
    page = page_of(agency, finding, replace(finding, rows=(), success=True))
    assert page.count("&lt;b&gt;Trà Xanh&lt;/b&gt;") > 3
    assert "<b>Trà" not in page
    assert "<script" not in page
    assert HOSTILE in text_of(page)


def test_the_page_needs_nothing_from_elsewhere(agency: Agency) -> None:
    page = page_of(agency, MET, DOUBT, FAULT)
    assert not re.search(r"\b(src|srcset|action)=|url\(|@import|//", page)
    assert {link[:1] for link in re.findall(r'href="([^"]*)"', page)} == {"#"}
    assert not re.search(r"<(script|img|link|iframe|object|form)\b", page)
    anchors = re.findall(r'href="#([^"]+)"', page)
    assert anchors
    assert all(f'id="{anchor}"' in page for anchor in anchors)


def test_a_phone_and_the_dark_are_thought_of(agency: Agency) -> None:
    page = page_of(agency, MET)
    assert 'name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme: dark" in page


# -- the step ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_blocked_step_leaves_its_page_and_the_next_one_says_since_when(
    make_agency: Callable[..., Agency], capsys: pytest.CaptureFixture[str]
) -> None:
    from amkpi.pipeline.status import show_status

    agency = make_agency()
    bad = "client_id,client_name\n" + "".join(f"C{number},\n" for number in range(3)) + f"C9,{HOSTILE}\n"
    agency.load({"clients/clients.csv": bad.replace('"', "")})
    agency.build()
    first = agency.moment
    with pytest.raises(AuditBlocked, match=r"\(see .*audit_2026-10-17_[0-9a-f]{16}\.html\)") as blocked:
        steps.audit(agency.run)
    assert {finding.since for finding in blocked.value.findings} == {first}
    page = (agency.home.audits / "latest.html").read_text(encoding="utf-8")
    assert "Blocked: nothing new is published" in page
    assert "clients/clients.csv line 2 as clients: missing_required in client_name" in page
    show_status(agency.run)
    assert "audit       blocked publication" in capsys.readouterr().out

    agency.moment += timedelta(days=1)
    agency.set(max_quarantined_share=1.0)
    agency.build()
    report = steps.audit(agency.run)
    since = {finding.expectation: finding.since for finding in report.warnings}
    assert since["hardly_any_rows_are_quarantined"] == first
    assert report.page is not None
    file = steps.publish(agency.run).file
    with duckdb.connect(str(file), read_only=True) as connection:
        kept = connection.execute(
            "select since, advice <> '', rows_concerned from marts.quality_results"
            " where expectation = 'hardly_any_rows_are_quarantined'"
        ).fetchall()
    assert kept[0][:2] == (first, True)
    assert kept[0][2].startswith('["clients/clients.csv line 2 as clients')
