"""The pages of an agency with a closed month, mails, and rows that came after both."""

from __future__ import annotations

import math
import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from amkpi.access.reader import Reader, analyst, reader_of
from amkpi.core.language.periods import Period
from amkpi.core.publication_id import current_file
from amkpi.core.run import Run
from amkpi.pages.site import Site, open_site
from amkpi.pipeline import steps
from amkpi.scorecards.facts import ScopeMember, read_publication
from amkpi.scorecards.mail.history import History, Sending
from amkpi.scorecards.model import SentFigure
from amkpi.scorecards.page_paths import PagePath
from amkpi.scorecards.restatements.lines import current_figures
from tests.pages.reading import Marts, Seen, read, shown
from tests.pages.test_figures import check
from tests.pages.test_rights import Rule, readers
from tests.pages.test_rights import check as check_rights
from tests.publishing.closing.conftest import Closable, pass_audit

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pages")]

AUGUST, SEPTEMBER = (Period.starting("month", date(2026, month, 1)) for month in (8, 9))
CONTRACTS = "contract_id,client_id,owner_id,kind,signed_date,start_date,end_date,amount,currency\n"
PROPOSALS = "proposal_id,client_id,owner_id,kind,amount,currency,sent_date,outcome,decided_date\n"
LATE = {
    "contracts/late.csv": CONTRACTS
    + "K-late-8,C003,A01,upsell,2026-08-12,2026-08-12,2027-08-11,900000000,VND\n"
    + "K-late-9,C003,A02,upsell,2026-09-12,2026-09-12,2027-09-11,1900000000,VND\n",
    "proposals/late.csv": PROPOSALS
    + "P-late-8,C003,A01,upsell,5000000,VND,2026-08-05,won,2026-09-01\n"
    + "P-late-9,C005,A02,upsell,5000000,VND,2026-09-05,won,2026-09-09\n",
}  # fmt: skip
# What a longer history has too: an adjustment that was taken up, a reopened closing, and restatements of one.
# Scores are at the edge of a band.
MORE = """
    insert into adjustments by name select * replace (date '2026-09-01' as carried_to, 7 as sample_size)
        from adjustments where kpi = 'client_revenue';
    insert into closings by name select * replace (9 as n, 'quarter' as period_grain, date '2026-04-01' as period_start,
        timestamptz '2026-10-01' as reopened_at, 'Bình <i>' || repeat('h', 300) as reopened_by) from closings limit 1;
    delete from restatements where kpi is null and scope = 'company';
    insert into restatements by name
        select 'company' as scope, 'month' as period_grain, date '2026-08-01' as period_start, what,
            value_then, value_now, rating_then, rating_now, 'reopened' as cause, timestamptz '2026-10-02' as mailed_at
        from (values ('score', 79.96, 80.0, null, null), ('rating', null, null, 'C', 'B'))
            as edge (what, value_then, value_now, rating_then, rating_now);
    insert into quarantined_rows by name select * from (values
        ('contracts', 'contracts/held.csv', 7, 'missing_fx_rate', '{"owner_id": "A01"}', false),
        ('peer_reviews', 'peer_reviews/held.csv', 9, 'bad_type', null, false)
    ) as held (extract, file_name, line_number, reason, raw_row, is_dismissed);
"""


def of_months(period: Period) -> bool:
    return period in (AUGUST, SEPTEMBER)


@pytest.fixture(scope="module")
def closed(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The publication: August is closed, August and September were mailed to everybody, then rows came late."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "audit", pass_audit)
        agency = Closable(run, run.now()).copied(tmp_path_factory.mktemp("closed") / "home")
        agency.close("2026-08", by="Chị Hoa <b>")
        mail_everything(agency)
        file = agency.publish(LATE)
    file.chmod(0o600)
    with duckdb.connect(str(file)) as connection:
        connection.execute("set search_path = 'marts'")
        connection.execute(MORE)
    return file


def mail_everything(agency: Closable) -> None:
    """Let one mail have reported every figure of two months."""
    with duckdb.connect(str(current_file(agency.home)), read_only=True) as connection:
        publication = read_publication(connection)
        figures = current_figures(connection, {("month", AUGUST.start), ("month", SEPTEMBER.start)})
    sent = tuple(SentFigure(*key, figure=figure) for key, figure in figures.items())
    History(agency.home.state).write(
        Sending(
            "month", "2026-09", "closed", "CEO", "ceo@agency.example", publication.publication_id,
            publication.delivery, publication.pipeline_version, "<m>", "sent", agency.moment, "250", 1, sent,
            publication.as_of, publication.settings,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def marts(closed: Path) -> Iterator[Marts]:
    with Marts.opened(closed) as found:
        yield found


@pytest.fixture(scope="module")
def site(closed: Path, run: Run) -> Iterator[Site]:
    found = open_site(closed, run.settings, of_months)
    yield found
    found.close()


@pytest.fixture(scope="module")
def everybody(site: Site) -> Reader:
    return analyst(site.names, "CEO")


# The key of each mart, as the elements around a figure name it.
KEYS = {
    "restatements": ("what", "scope", "staff_id", "kpi", "period_grain", "period_start"),
    "adjustments": ("carried_to", "scope", "staff_id", "kpi", "period_grain", "period_start"),
    "adjusted_scores": ("scope", "staff_id", "period_grain", "period_start"),
}


def of_marts(seen: Seen, marts: Marts) -> float | None:
    table, _, column = seen.of.partition(".")
    subject = {"staff": "", "kpi": "", **seen.subject}
    names = {"scope": "scope", "staff_id": "staff", "period_grain": "grain", "period_start": "start", "kpi": "kpi"}
    key = tuple(subject[names.get(name, "detail")] for name in KEYS[table])
    number = marts.by(table, *KEYS[table])[key][column]
    return None if number is None else float(number)


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_figure_of_the_changes_is_the_number_of_the_marts_and_every_row_is_there(
    site: Site, everybody: Reader, marts: Marts, language: str
) -> None:
    answer = site.page(everybody, f"{language}/changes.html")
    assert answer is not None
    document, counted = read(answer.body), Counter[str]()
    assert document.loose == []
    for seen in document.figures:
        counted[seen.of] += 1
        if seen.of == "closings.n":
            assert seen.text == seen.raw
            continue
        number = of_marts(seen, marts)
        if not seen.raw:
            # A score without a rating is not shown.
            assert seen.text == "–"
            continue
        assert number is not None
        assert math.isclose(float(seen.raw), number, rel_tol=1e-12), seen
        figure, half = shown(seen.text, language)
        assert abs(float(figure) - number) <= float(half) * 2.001, seen
    rows = {table: len(marts.rows(f"from {table}")) for table in ("adjustments", "adjusted_scores", "closings")}
    rows["restatements"] = len(marts.rows("from restatements where what <> 'rating'"))
    assert all(rows.values()), rows
    assert counted["restatements.value_then"] == counted["restatements.value_now"] == rows["restatements"]
    assert counted["adjustments.numerator"] == counted["adjustments.fresh_value"] == rows["adjustments"]
    assert counted["adjusted_scores.fresh_score"] == rows["adjusted_scores"]
    assert counted["closings.n"] == rows["closings"]


def test_a_restated_score_never_contradicts_its_rating(site: Site, everybody: Reader) -> None:
    answer = site.page(everybody, "en/changes.html")
    assert answer is not None
    rows = [each.text.split() for each in read(answer.body).all("tr") if "reopened" in each.text and "Aug" in each.text]
    words = [" ".join(row) for row in rows]
    assert any("79.9 C 80.0 B" in each for each in words), words
    assert any("Rating" in each and "C B" in each for each in words), words


def test_causes_and_what_was_taken_up_are_in_words_of_the_language(site: Site, everybody: Reader) -> None:
    answer = site.page(everybody, "vi/changes.html")
    assert answer is not None
    text = read(answer.body).text
    assert "dữ liệu đến muộn" in text
    assert "kỳ đã được mở lại" in text
    assert not [code for code in ("late_rows", "reopened", "carried_to", "None") if code in text]


def test_who_closed_and_reopened_is_text_and_nothing_more(site: Site, everybody: Reader) -> None:
    for path in ("vi/changes.html", str(PagePath("vi", "overview", AUGUST))):
        answer = site.page(everybody, path)
        assert answer is not None
        assert b"<bdi>Ch\xe1\xbb\x8b Hoa &lt;b&gt;</bdi>" in answer.body, path
        assert b"Hoa <b>" not in answer.body
        assert b"<i>" not in answer.body
        assert b"h" * 100 not in answer.body


def test_who_closed_and_reopened_is_shown_only_to_who_reads_the_company_or_runs_the_pipeline(
    site: Site, run: Run, marts: Marts
) -> None:
    seen = Counter[tuple[str, bool]]()
    for staff_id in readers(marts):
        reader = reader_of(site.names, staff_id, run.settings)
        assert reader is not None
        for each in (reader, replace(reader, data=True)):
            allowed = each.company or each.data
            for path in ("vi/changes.html", str(PagePath("en", "overview", AUGUST))):
                answer = site.page(each, path)
                if answer is not None:
                    seen[path, allowed] += 1
                    shown_names = b"Hoa" in answer.body or "Bình".encode() in answer.body
                    assert shown_names is allowed, (path, staff_id)
    assert len(seen) == 4
    assert min(seen.values()) > 3


def test_the_overview_warns_those_whom_held_back_rows_touch(site: Site, run: Run, marts: Marts) -> None:
    warned, warned_of_all = set[str](), set[str]()
    for staff_id in readers(marts):
        reader = reader_of(site.names, staff_id, run.settings)
        assert reader is not None
        answer = site.page(reader, str(PagePath("en", "overview", AUGUST)))
        text = read(answer.body).text if answer else ""
        assert ("contracts/held.csv:7" in text) == (reader.company or "A01" in reader.people) or answer is None, (
            staff_id
        )
        warned |= {staff_id} if "contracts/held.csv:7" in text else set()
        warned_of_all |= {staff_id} if "peer_reviews/held.csv:9" in text else set()
    assert "A01" in warned
    assert warned_of_all < warned < set(readers(marts))


def test_every_figure_of_pages_of_a_closed_month_is_the_closed_one(site: Site, everybody: Reader, marts: Marts) -> None:
    moved = marts.rows(
        "select distinct kpi, scope, staff_id from adjustments where period_grain = 'month'"
        " and period_start = ? order by all", AUGUST.start
    )  # fmt: skip
    members = {ScopeMember(row["scope"], row["staff_id"]) for row in moved}
    paths = [PagePath.of_member("en", member, AUGUST) for member in members]
    paths += [PagePath.of_kpi("vi", row["kpi"], ScopeMember(row["scope"], row["staff_id"]), AUGUST) for row in moved]
    counted = Counter[str]()
    for path in map(str, paths):
        answer = site.page(everybody, path)
        if answer is None:
            # Somebody who had no row when the month was closed.
            continue
        document = read(answer.body)
        assert document.loose == [], path
        assert document.faults == [], path
        counted += check(path, document, marts)
    assert counted["kpi_values.value"] > 20
    assert counted["supporting_measures.value"] > 0


def test_no_link_of_the_changes_is_dead(site: Site, everybody: Reader) -> None:
    every = set(site.paths(everybody))
    answer = site.page(everybody, "en/changes.html")
    assert answer is not None
    links = [link.partition("#")[0] for link in read(answer.body).links]
    found = [posixpath.normpath(posixpath.join("en", link)) for link in links if link]
    assert set(found) <= every
    assert sum(path.startswith("en/kpi/") for path in found) > 3


def test_readers_see_the_changes_of_nobody_else(site: Site, run: Run, marts: Marts) -> None:
    seen = dict[str, int]()
    for staff_id in readers(marts):
        reader, rule = reader_of(site.names, staff_id, run.settings), Rule.of(marts, staff_id)
        assert reader is not None
        answer = site.page(reader, "vi/changes.html")
        if answer is not None:
            document = read(answer.body)
            check_rights("vi/changes.html", answer.body, document, rule, marts)
            seen[staff_id] = sum(each.of.startswith(("adjustments", "restatements")) for each in document.figures)
    assert {count > 0 for count in seen.values()} == {True, False}, seen
