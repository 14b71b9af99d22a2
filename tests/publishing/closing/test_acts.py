"""What may be closed and reopened, and what an act writes."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from amkpi.access.names import read_names
from amkpi.core.errors import AmkpiError
from amkpi.core.storage import closing_register
from amkpi.core.storage.closing_register import Act
from amkpi.publishing import reader
from amkpi.publishing.closing import acts, files, verification
from amkpi.publishing.closing.acts import Request
from tests.publishing.closing.conftest import Closable

# An agency is published and closed for these: 10 to 20 s.
pytestmark = pytest.mark.slow


def act_alone(agency: Closable, period: str, **options: object) -> Act:
    """The act without the publication that follows it."""
    with agency.warehouse() as connection:
        return acts.close(
            agency.home,
            connection,
            Request(period, "An", **options),
            agency.moment,  # type: ignore[arg-type]
        )


def refused(agency: Closable, period: str, **options: object) -> str:
    with pytest.raises(AmkpiError) as error:
        act_alone(agency, period, **options)
    assert error.value.exit_code == 1
    assert "\n" not in str(error.value)
    assert closing_register.read(agency.home).acts == ()
    assert list(agency.home.closed.iterdir()) == []
    return str(error.value)


def test_an_act_closes_the_shorter_periods_within_in_order_of_their_dates_shorter_before_longer(
    published: Closable,
) -> None:
    act = act_alone(published, "2026-q2", note="paid on 15 July")
    assert [(each.grain, each.start.month) for each in act.periods] == [
        ("month", 4), ("month", 5), ("month", 6), ("quarter", 4),
    ]  # fmt: skip
    assert (act.n, act.period, act.by, act.note, act.as_of) == (
        1,
        "2026-Q2",
        "An",
        "paid on 15 July",
        published.run.as_of,
    )
    assert (act.waiting_files, act.waiting_rows) == (0, 0)


def test_what_is_not_over_or_not_there_is_not_closed(published: Closable) -> None:
    assert "ends on 2026-12-31, after the date 2026-10-17" in refused(published, "2026-Q4")
    assert "ends on 2026-10-31" in refused(published, "2026-10")
    assert "has no row of it" in refused(published, "1999")
    assert "a trailing year is never closed" in refused(published, "t12m:2026-09")
    assert "say a period as 2026-09" in refused(published, "summer")


def test_only_the_publication_that_was_shown_is_closed(published: Closable) -> None:
    assert "is current: ask again" in refused(published, "2026-Q2", publication_id="0000000000000000")
    current = published.published("select publication_id from marts.publication")[0][0]
    assert act_alone(published, "2026-Q2", publication_id=current).publication_id == current


def test_nothing_is_closed_twice(published: Closable) -> None:
    register = closing_register.begin(published.home)
    act_alone(published, "2026-Q2")
    with pytest.raises(AmkpiError, match="is not published yet"):
        act_alone(published, "2026-Q1")
    assert register.home_id == closing_register.read(published.home).home_id


def test_files_that_wait_are_waited_for_unless_somebody_says_otherwise(published: Closable) -> None:
    published.deliver({"clients/half.csv.part": "client_id", "clients/_draft.csv": "client_id"})
    published.deliver({"clients/more.csv": "client_id,client_name\nZZ,Trà Xanh\n"})
    assert "1 file in" in refused(published, "2026-Q2")
    act = act_alone(published, "2026-Q2", ignore_waiting=True)
    assert (act.waiting_files, act.waiting_rows) == (1, 0)


def test_loaded_rows_that_are_not_published_are_waited_for(published: Closable) -> None:
    published.load({"clients/more.csv": "client_id,client_name\nZZ,Trà Xanh\nZY,Sen\n"})
    assert "2 loaded rows wait: run" in refused(published, "2026-Q2")
    assert act_alone(published, "2026-Q2", ignore_waiting=True).waiting_rows == 2


def test_rows_in_quarantine_are_counted_and_do_not_hinder(published: Closable) -> None:
    act = act_alone(published, "2026-Q2")
    held = published.published("select count(*) from marts.quarantined_rows")[0][0]
    assert act.rows_held_back == held


def test_a_closing_file_is_read_only_and_explains_itself(published: Closable) -> None:
    act = act_alone(published, "2026-Q2")
    file = act.file(published.home)
    assert stat.S_IMODE(file.stat().st_mode) == 0o444
    assert file.name == "1-2026-Q2.duckdb"
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
        columns = {
            name
            for (name,) in connection.execute("select column_name from duckdb_columns() where not internal").fetchall()
        }
        grains = connection.execute("select distinct period_grain from kpi_values order by all").fetchall()
        evidence = connection.execute(
            "select count(*), count(source_contracts.contract_id) from kpi_evidence"
            " left join source_contracts on source_id = contract_id where source_extract = 'contracts'"
        ).fetchall()[0]
    assert {"source_contracts", "source_projects", "source_proposals", "source_client_surveys", "kpi_evidence",
            "scorecards", "scorecard_lines", "supporting_measures", "dim_staff", "dim_client", "publication",
            "source_kpi_targets", "about"} <= tables  # fmt: skip
    assert "source_peer_reviews" not in tables
    assert "comment" not in columns
    assert "reviewer_id" not in columns
    assert grains == [("month",), ("quarter",)]
    assert evidence[0] == evidence[1] > 0


def test_a_year_closes_what_its_quarters_left_open_and_a_longer_period_is_not_closed_by_its_parts(
    published: Closable,
) -> None:
    act = act_alone(published, "2025-12")
    assert [each.grain for each in act.periods] == ["month"]
    closed = act_alone_after(published, act, "2025-Q4")
    assert [(each.grain, each.start.month) for each in closed.periods] == [
        ("month", 10), ("month", 11), ("quarter", 10),
    ]  # fmt: skip


def act_alone_after(agency: Closable, act: Act, period: str) -> Act:
    """One more act, as if the one before were published."""
    current = agency.home.current.resolve()
    current.chmod(0o644)
    last = closing_register.read(agency.home).last
    with duckdb.connect(str(current)) as connection:
        connection.execute("update marts.publication set closing_n = ?, closing_sha256 = ?", list(last or ()))
    return act_alone(agency, period)


def test_reopening_takes_back_the_newest_act_alone_and_says_why(published: Closable) -> None:
    home = published.home
    with pytest.raises(AmkpiError, match="nothing is closed"):
        acts.reopen(home, "2026-Q2", "An", "why", published.moment)
    first = act_alone(published, "2026-Q1")
    act_alone_after(published, first, "2026-Q2")
    with pytest.raises(AmkpiError, match="only the newest closing can, which is 2026-Q2"):
        acts.reopen(home, "2026-Q1", "An", "why", published.moment)
    with pytest.raises(AmkpiError, match="who reopens and why"):
        acts.reopen(home, "2026-Q2", "An", " ", published.moment)
    acts.reopen(home, "2026-Q2", "Bình", "too early", published.moment)
    register = closing_register.read(home)
    assert [act.n for act in register.in_force()] == [1]
    assert sorted(path.name for path in home.closed.iterdir()) == ["1-2026-Q1.duckdb", "2-2026-Q2.duckdb"]
    assert acts.reopen(home, "2026-Q1", "Bình", "too early", published.moment).n == 1
    with pytest.raises(AmkpiError, match="nothing is closed"):
        acts.reopen(home, "2026-Q2", "An", "again", published.moment)


def test_a_file_that_a_killed_process_did_not_enter_is_entered_by_the_next_command(published: Closable) -> None:
    register = closing_register.begin(published.home)
    before = closing_register.path(published.home).read_text("utf-8")
    act = act_alone(published, "2026-Q2")
    after = closing_register.path(published.home).read_text("utf-8")
    closing_register.path(published.home).write_text(before, "utf-8")
    assert acts.recover(published.home) == (act,)
    assert closing_register.path(published.home).read_text("utf-8") == after
    assert acts.recover(published.home) == ()
    assert register.home_id == verification.verify(published.home).register.home_id


def test_a_file_of_another_home_is_not_entered(make_published: Callable[..., Closable]) -> None:
    one, other = make_published("one"), make_published("other")
    act_alone(one, "2026-Q2")
    closing_register.begin(other.home)
    file: Path = one.home.closed / "1-2026-Q2.duckdb"
    (other.home.closed / file.name).write_bytes(file.read_bytes())
    assert acts.recover(other.home) == ()
    assert closing_register.read(other.home).acts == ()


def test_the_last_day_of_a_period_is_enough(published: Closable) -> None:
    # The date of the publication is the last day of the period: it is over.
    current = published.home.current.resolve()
    current.chmod(0o644)
    with duckdb.connect(str(current)) as connection:
        connection.execute("update marts.publication set as_of = date '2026-09-30'")
    assert act_alone(published, "2026-Q3").as_of == date(2026, 9, 30)


def test_the_file_has_the_names_that_a_mail_of_the_period_prints(published: Closable) -> None:
    act = act_alone(published, "2026-Q2")
    with reader.published(published.home, published.run.settings) as connection:
        seen = read_names(connection)
    with files.opened(published.home, act.n, "UTC") as closing_file:
        assert read_names(closing_file) == seen
    assert seen.people
    assert seen.managers
    assert seen.clients
