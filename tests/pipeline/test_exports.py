"""The export of the current publication as a step: what the settings want, and what happens when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.run import Run
from amkpi.exports.postgres.write import PostgresReport
from amkpi.pipeline import exports
from tests.changed_settings import changed
from tests.conftest import Agency
from tests.exports import random_marts

UNREACHABLE = "postgresql://u:hunter2@127.0.0.1:1/kpi"


@pytest.fixture
def run(agency: Agency) -> Run:
    random_marts.publish(agency.home, 1, random_marts.named(20))
    return agency.run


def with_settings(run: Run, **settings: object) -> Run:
    return Run(run.home, changed(run.settings, **settings), run.as_of, run.now)


def test_without_settings_nothing_is_written(run: Run) -> None:
    assert not exports.is_wanted(run)
    assert exports.export(run).lines == ()
    assert not run.home.parquet.exists()


def test_before_the_first_publication_nothing_is_written(agency: Agency) -> None:
    assert exports.export(with_settings(agency.run, publish_parquet=True)).lines == ()


@pytest.mark.slow
def test_parquet_is_written_even_where_postgresql_cannot_be_reached(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(UNREACHABLE)
    wanted = with_settings(run, publish_parquet=True, postgres_url_file=str(file))
    assert exports.is_wanted(wanted)
    with pytest.raises(AmkpiError, match=r"^PostgreSQL cannot be reached: .*postgres_url$"):
        exports.export(wanted)
    assert (run.home.parquet / "current").is_dir()


def test_a_closing_is_in_force_whatever_happens_to_the_export(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    exports.export_or_warn(with_settings(run, publish_parquet=True), lines.append)
    assert lines[0].startswith("Parquet: ")
    broken = with_settings(run, postgres_url_file="/nowhere/url")
    exports.export_or_warn(broken)
    assert "the next publication tries it again" in " ".join(capsys.readouterr().out.split())


def test_parquet_that_is_switched_off_is_no_longer_current(run: Run) -> None:
    exports.export(with_settings(run, publish_parquet=True))
    assert exports.is_wanted(run)
    exports.export(run)
    assert [path.name for path in run.home.parquet.iterdir()] == ["00000000000000aa"]


def test_the_report_says_what_waits_for_an_administrator() -> None:
    report = exports.ExportReport(postgres=PostgresReport("a", True, 1234, 5))
    assert report.lines == (
        "PostgreSQL: 1,234 rows that changed; 5 statements about roles wait for an administrator"
        " (docs/operations/postgres.md)",
    )
