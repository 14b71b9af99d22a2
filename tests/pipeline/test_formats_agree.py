"""One agency in every format and encoding, with everything wrong that can be: the marts of its clean delivery.

What must be held back and what must stand in the ledger is said by the plan that spoiled it (`planting.py`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from amkpi.ingestion.validation.row_checks import check_rows
from tests.conftest import AS_OF, Agency
from tests.ingestion.test_loader import files_below
from tests.oracle.agencies import random_agency
from tests.oracle.contract import EXTRACTS
from tests.pipeline.formats import FORMATS, Format, as_parquet, windows_1258
from tests.pipeline.seeded_faults import BAD, RUNS, Dirty, Plan, dirty, plan
from tests.publishing.test_publications import REPRODUCIBLE

pytestmark = pytest.mark.slow

REASONS = (
    *("malformed_row", "missing_required", "bad_type", "bad_enum", "out_of_range", "bad_date_order"),
    *("unknown_reference", "missing_fx_rate"),
)
(CLEAN,) = random_agency(41, as_of=AS_OF, size="tiny")
Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def planned() -> Plan:
    """The clean agency with everything planted."""
    return plan(
        {
            name.split("/")[0]: list(csv.DictReader(io.StringIO(data.decode(), newline="")))
            for name, data in CLEAN.items()
        }
    )


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    """The clean delivery, built: of which nothing is held back."""
    agency = Agency.at(tmp_path_factory.mktemp("clean") / "home")
    agency.load(CLEAN)
    agency.build()
    assert agency.rows("select * from validation.quarantine") == []
    return agency


def valid_rows(agency: Agency) -> Rows:
    """The rows that count downstream: all that the marts are made of."""
    shown = "select * exclude (_updated_at, _delivery, _line) from valid"
    with agency.warehouse() as connection:
        return {name: connection.execute(f"{shown}.{name} order by all").fetchall() for name in EXTRACTS}


def marts(agency: Agency) -> Rows:
    """The reproducible marts, without the places in the files, which differ by format."""
    columns = "columns(lambda name: name not in ('file_name', 'line_number'))"
    return {name: agency.rows(f"select {columns} from marts.{name} order by all") for name in REPRODUCIBLE}


def deliver(agency: Agency, files: Dirty, in_one_run: bool) -> None:
    """Load all runs' files, at once or one after the other."""
    if in_one_run:
        agency.load({name: data for run in files.runs for name, data in run.items()})
    else:
        for run in files.runs:
            agency.load(run)


def check_kept(agency: Agency, files: Dirty) -> None:
    """What is not loaded lies where it must, beside its reason, and what was being written was left alone."""
    assert files_below(agency.home.landing) == files.unfinished
    rejected = {name for name, _, status, *_ in files.ledger if status == "rejected"}
    assert files_below(agency.home.rejected).keys() == rejected | {f"{name}.reason.json" for name in rejected}


def mixed(run: int, extract: str) -> Format:
    """Another format for each extract and run, each of them used."""
    return list(FORMATS.values())[(run * len(EXTRACTS) + list(EXTRACTS).index(extract)) % len(FORMATS)]


# Three runs of one format, and every second format alone, are in `make fuzz`; the mix below has every format.
@pytest.mark.parametrize(
    "in_one_run",
    [pytest.param(True, id="one run"), pytest.param(False, id="three runs", marks=pytest.mark.long)],
)
@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[pytest.mark.long] if n % 2 else []) for n, each in enumerate(FORMATS)]
)
def test_in_every_format_the_same_rows_count_and_all_that_was_planted_is_held_back(
    make_agency: Callable[..., Agency], clean: Agency, planned: Plan, name: str, in_one_run: bool
) -> None:
    agency, files = make_agency(), dirty(planned, lambda run, extract: FORMATS[name])
    deliver(agency, files, in_one_run)
    with agency.warehouse() as connection:
        check_rows(connection, agency.run.settings.kpi.reporting_currency)
    assert valid_rows(agency) == valid_rows(clean)
    held = agency.rows(
        "select q.extract, file_name, _line, q.reason, column_name, keeps_older_row from validation.quarantine as q"
        " inner join raw.ledger on _delivery = delivery"
    )
    assert set(held) == files.quarantine
    assert len(held) == len(files.quarantine)
    ledger = agency.rows(
        "select file_name, extract, status, rows_read, rows_read - rows_held, rows_held from raw.ledger, lateral"
        " (select count(*) as rows_held from validation.held_back where _delivery = delivery)"
    )
    assert set(ledger) == files.ledger
    assert len(ledger) == len(files.ledger)
    in_raw = agency.rows(
        " union all ".join(
            f"select ledger.file_name, count(*) from raw.{each} as rows join raw.ledger as ledger"
            " on rows._delivery = ledger.delivery group by 1"
            for each in EXTRACTS
        )
    )
    assert set(in_raw) == {(file, read) for file, _, _, read, _, _ in files.ledger if read}
    check_kept(agency, files)


@pytest.mark.parametrize("in_one_run", [True, False], ids=["one run", "three runs"])
def test_a_mix_of_all_formats_gives_exactly_the_marts_of_the_clean_delivery(
    make_agency: Callable[..., Agency], clean: Agency, planned: Plan, in_one_run: bool
) -> None:
    agency, files = make_agency(), dirty(planned, mixed)
    deliver(agency, files, in_one_run)
    agency.build()
    assert marts(agency) == marts(clean)
    assert (
        set(
            agency.rows(
                "select extract, file_name, line_number, reason, column_name, keeps_older_row"
                " from marts.quarantined_rows"
            )
        )
        == files.quarantine
    )
    assert (
        set(
            agency.rows(
                "select file_name, extract, status, rows_read, rows_loaded, rows_quarantined from marts.load_ledger"
            )
        )
        == files.ledger
    )
    check_kept(agency, files)


def test_the_plan_has_every_reason_and_the_mix_every_format(planned: Plan) -> None:
    files = dirty(planned, mixed)
    assert {reason for _, _, _, reason, _, _ in files.quarantine} == set(REASONS)
    assert {keeps for *_, keeps in files.quarantine} == {True, False}
    assert {id(mixed(run, extract)) for run in range(RUNS) for extract in EXTRACTS} == {
        id(form) for form in FORMATS.values()
    }
    assert BAD.keys() == EXTRACTS.keys()
    # The code pages say what they should: letters beyond ASCII, and no UTF-8 by chance.
    data = files.runs[0] | files.runs[1] | files.runs[2]
    assert any("Đ".encode() in content for content in data.values())
    with pytest.raises(UnicodeDecodeError):
        windows_1258("Trà Nguyễn").decode()
    assert as_parquet("fx_rates", ["rate"], [{"rate": "1.5"}]).data.startswith(b"PAR1")
