"""`amkpi forget` in a home that is published and closed. It stands here because that home is built once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core.erasure.register import Subject
from amkpi.core.errors import AmkpiError, ClosingsBroken
from amkpi.core.publication_id import current_file
from amkpi.core.storage import closing_register
from amkpi.core.storage.closing_register import ErasedFile
from amkpi.pipeline import status, steps
from amkpi.pipeline.forget import ForgetReport, forget
from amkpi.publishing.closing import verification
from tests.conftest import Agency
from tests.pipeline.forgotten import found, tables
from tests.publishing.closing.conftest import Closable, pass_audit

# Each needs a home with closed periods.
pytestmark = pytest.mark.slow

# In which a name may stand.
_TEXTS = ("full_name", "email", "client_name", "record_name", "project_name", "raw_row", "line")


PERSON, CLIENT = Subject("staff", "A06"), Subject("client", "C002")
NAMES = ('Lê "Bé" A06', "O'Neil; jr A06")
OF_CLIENT = ("A, B | C C002", "Chiến dịch J-C002-0")


@pytest.fixture(scope="module")
def named(first_publication: Closable, tmp_path_factory: pytest.TempPathFactory) -> Closable:
    """The agency with a closed quarter; to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "audit", pass_audit)
        agency = first_publication.copied(tmp_path_factory.mktemp("named") / "home")
        agency.close("2026-Q2")
    return agency


@pytest.fixture(scope="module")
def forgotten(named: Closable, tmp_path_factory: pytest.TempPathFactory) -> tuple[Closable, ForgetReport]:
    """The same after the person was erased; to be copied."""
    agency = named.copied(tmp_path_factory.mktemp("forgotten") / "home")
    return agency, forget(agency.run, PERSON, "An", write=True)


@pytest.fixture
def agency(forgotten: tuple[Closable, ForgetReport], tmp_path: Path) -> Closable:
    return forgotten[0].copied(tmp_path / "home")


def _differing(one: Path, other: Path) -> dict[str, int]:
    """How many rows of each table are others, or in another order, apart from the texts that a name may stand in."""
    with duckdb.connect() as connection:
        for name, file in (("one", one), ("other", other)):
            connection.execute(f"attach '{file}' as {name} (read_only)")
        columns = f"columns(lambda c: c not in {_TEXTS})"
        return {
            table: connection.execute(
                f"select count(*) from (select {columns} from one.{table}) as a positional join"
                f" (select {columns} from other.{table}) as b where a is distinct from b"
            ).fetchall()[0][0]
            for table in tables(one)
        }


def _comments(file: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(
            "select table_name, comment from duckdb_tables() union all select view_name, comment from duckdb_views()"
            " union all select column_name, comment from duckdb_columns() order by all"
        ).fetchall()


def test_nothing_of_a_person_is_left_and_every_figure_stays(
    named: Closable, forgotten: tuple[Closable, ForgetReport]
) -> None:
    agency, report = forgotten
    assert len(found(named.home.root, *NAMES)) > 5
    assert found(agency.home.root, *NAMES) == []
    files = [*named.home.published.glob("kpi_*"), *named.home.closed.iterdir()]
    assert len(files) == 3
    for file in files:
        after = agency.home.root / file.relative_to(named.home.root)
        assert tables(after) == tables(file)
        assert set(_differing(file, after).values()) == {0}
        assert _comments(after) == _comments(file)
        assert after.stat().st_mtime_ns == file.stat().st_mtime_ns
    people = "select staff_id, full_name from marts.dim_staff where full_name <> ? order by all"
    who = PERSON.pseudonym
    assert agency.published(people.replace("?", f"'{who}'")) == named.published(
        people.replace("full_name <> ?", "staff_id <> 'A06'")
    )
    assert agency.published("select full_name from marts.dim_staff where staff_id = 'A06'") == [(who,)]
    computed = "select count(*), sum(numerator) from internal_fresh.kpi_values"
    assert agency.published(computed) == named.published(computed)
    assert dict(report.places)["archive"] == "1 file"


def test_the_closings_stay_valid_and_say_what_was_erased(agency: Closable) -> None:
    act = closing_register.read(agency.home).acts[0]
    register = verification.verify(agency.home).register
    line = register.lines[-1]
    assert isinstance(line, ErasedFile)
    assert (line.n, line.subject, line.by, line.before) == (1, PERSON.pseudonym, "An", act.file_sha256)
    assert line.after == register.file_hash(act) != line.before
    assert verification.verify_rows(agency.home) == 4
    file = act.file(agency.home)
    assert file.stat().st_mode & 0o777 == 0o444
    file.chmod(0o644)
    with file.open("ab") as written:
        written.write(b"x")
    with pytest.raises(ClosingsBroken, match="its content was altered"):
        verification.verify(agency.home)


def test_an_erased_publication_is_what_was_published_until_somebody_writes_into_it(agency: Closable) -> None:
    file = current_file(agency.home)
    assert file is not None
    assert status.read_status(agency.run).problems == ()
    assert file.stat().st_mode & 0o777 == 0o444
    file.chmod(0o644)
    with file.open("ab") as written:
        written.write(b"x")
    assert any(f"{file} is not what was published" in each for each in status.read_status(agency.run).problems)
    with pytest.raises(AmkpiError, match="is not what was published"):
        forget(agency.run, CLIENT, "An", write=True)


def test_the_next_publication_has_the_same_figures_and_no_names(named: Closable, agency: Closable) -> None:
    forget(agency.run, CLIENT, "An", write=True)
    agency.publish()
    assert found(agency.home.root, *NAMES, *OF_CLIENT) == []
    for mart in ("kpi_values", "scorecards", "scorecard_lines", "supporting_measures", "adjustments", "restatements"):
        sql = f"select * from marts.{mart} order by all"
        assert agency.published(sql) == named.published(sql), mart
    sql = "select * exclude (record_name, client_name) from marts.kpi_evidence order by all"
    assert agency.published(sql) == named.published(sql)
    assert agency.published("select distinct client_name from marts.kpi_evidence where client_id = 'C002'") == [
        (CLIENT.pseudonym,)
    ]
    assert verification.verify_rows(agency.home) == 4


def test_a_backup_after_it_has_no_names_though_it_links_to_the_one_before(named: Closable, tmp_path: Path) -> None:
    agency = named.copied(tmp_path / "home")
    steps.back_up(agency.run)
    (older,) = (agency.home.root / "backups").iterdir()
    report = forget(agency.run, PERSON, "An", write=True)
    assert any(line.startswith("1 backup in ") for line in report.unreachable)
    agency.moment += timedelta(hours=1)
    newer, _ = steps.back_up(agency.run)
    assert newer.linked == 10
    assert found(newer.folder, *NAMES) == []
    assert found(older, *NAMES) != []
    restored = replace(agency.run, home=Agency.at(tmp_path / "restored").home)
    steps.restore(restored, newer.folder)
    assert found(restored.home.root, *NAMES) == []
