"""What is closed and was altered keeps the next publication from readers, in one clear line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from amkpi.core.errors import AuditBlocked, ClosingsBroken
from amkpi.core.storage import closing_register
from amkpi.pipeline import closing, steps
from amkpi.publishing.closing import verification
from tests.publishing.closing.conftest import Closable
from tests.publishing.closing.test_acts import act_alone

# An agency is published and closed for these: 10 to 20 s.
pytestmark = pytest.mark.slow


@pytest.fixture
def closed(published: Closable) -> Closable:
    """The agency with one act, as if it were published."""
    act_alone(published, "2026-Q2")
    current = published.home.current.resolve()
    current.chmod(0o644)
    with duckdb.connect(str(current)) as connection:
        connection.execute(
            "update marts.publication set closing_n = ?, closing_sha256 = ?",
            list(closing_register.read(published.home).last or ()),
        )
    return published


def _alter_file(agency: Closable) -> Path:
    file = agency.home.closed / "1-2026-Q2.duckdb"
    file.chmod(0o644)
    with duckdb.connect(str(file)) as connection:
        connection.execute("update scorecards set rating = 'A+'")
    return file


def _remove_file(agency: Closable) -> Path:
    file = agency.home.closed / "1-2026-Q2.duckdb"
    file.unlink()
    return file


def _add_file(agency: Closable) -> Path:
    file = agency.home.closed / "2-2026-Q1.duckdb"
    shutil.copy(agency.home.closed / "1-2026-Q2.duckdb", file)
    return file


def _add_anything(agency: Closable) -> Path:
    file = agency.home.closed / "notes.txt"
    file.write_text("do not forget", "utf-8")
    return file


def _alter_line(agency: Closable) -> Path:
    file = closing_register.path(agency.home)
    file.write_text(file.read_text("utf-8").replace('"by": "An"', '"by": "Em"'), "utf-8")
    return file


def _forget_lines(agency: Closable) -> Path:
    file = closing_register.path(agency.home)
    file.unlink()
    for path in agency.home.closed.iterdir():
        path.unlink()
    return file


def _lose_register(agency: Closable) -> Path:
    file = closing_register.path(agency.home)
    file.unlink()
    return file


def _empty_register(agency: Closable) -> Path:
    file = closing_register.path(agency.home)
    file.write_bytes(b"")
    return file


BREAKS = [
    _alter_file, _remove_file, _add_file, _add_anything, _alter_line, _forget_lines, _lose_register, _empty_register,
]  # fmt: skip


@pytest.mark.parametrize("alter", BREAKS, ids=lambda alter: alter.__name__.strip("_"))
def test_what_was_altered_blocks_the_next_publication_in_one_line(
    closed: Closable, alter: Callable[[Closable], Path]
) -> None:
    assert verification.verify(closed.home).published == closing_register.read(closed.home).last
    file = alter(closed)
    for command in (
        lambda: steps.build(closed.run),
        lambda: steps.publish(closed.run),
        lambda: closing.verify(closed.run),
    ):
        with pytest.raises(ClosingsBroken) as blocked:
            command()
        assert blocked.value.exit_code == 3
        assert str(file) in str(blocked.value)
        assert "\n" not in str(blocked.value)


def test_another_reporting_currency_blocks_while_a_closing_is_in_force(closed: Closable) -> None:
    closed.set(reporting_currency="USD")
    with pytest.raises(AuditBlocked, match="2026-Q2 is closed in VND, and reporting_currency is USD"):
        steps.build(closed.run)


def test_closed_rows_of_the_current_publication_are_compared_with_the_files(closed: Closable) -> None:
    current = closed.home.current.resolve()
    with duckdb.connect(str(current)) as connection:
        connection.execute(f"attach '{closed.home.closed}/1-2026-Q2.duckdb' as file (read_only)")
        connection.execute(
            "insert into internal_closing.periods"
            " select 1, period_grain, period_start, period_end, period_end + 1 from file.periods"
        )
        for mart in ("kpi_values", "kpi_evidence", "scorecards", "scorecard_lines", "supporting_measures"):
            of_file = "(period_grain, period_start) in (select (period_grain, period_start) from file.periods)"
            connection.execute(f"delete from marts.{mart} where {of_file}")
            connection.execute(f"insert into marts.{mart} by name select *, true as is_closed from file.{mart}")
    assert closing.verify(closed.run)[1] == 4
    with duckdb.connect(str(current)) as connection:
        connection.execute("update marts.kpi_values set value = value + 1 where kpi = 'client_revenue' and is_closed")
    with pytest.raises(ClosingsBroken, match=r"rows of marts.kpi_values .* are not as closed/1-2026-Q2.duckdb"):
        closing.verify(closed.run)
