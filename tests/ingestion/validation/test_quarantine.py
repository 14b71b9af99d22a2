"""What is held back can be listed, written out, corrected and dropped back; known bytes can be loaded again."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.ingestion.delivery_log import read
from amkpi.ingestion.from_archive import replay
from amkpi.ingestion.loader import LoadReport
from amkpi.ingestion.readers import examine, open_text
from amkpi.ingestion.validation import quarantine
from amkpi.ingestion.validation.row_checks import check_rows
from tests.conftest import Agency
from tests.ingestion.readers.test_readers import listed
from tests.ingestion.test_loader import files_below

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_open")]

FILES = {
    "clients/a.csv": 'client_id,client_name,Note\nC1,One,x\nC2,,"=cmd()"\n=1+1,,y\nC4\n-5,,z\n',
    "clients/b.csv": "client_id,client_name\nC9,\n",
    "client_surveys/s.csv": "response_id,client_id,sent_date,score,scale_min,scale_max,comment\n"
    "R1,C1,2026-01-01,9,1,5,secret\n",
    "peer_reviews/p.csv": "review_id,account_manager_id,reviewer_id,reviewer_department,review_date,scale_min,"
    "scale_max\n"
    "V1,S1,S2,,2026-01-01,1,5\n",
}


@pytest.fixture
def held(agency: Agency) -> Agency:
    """An agency with rows held back."""
    agency.load(FILES)
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
    return agency


def test_rows_are_counted_by_extract_file_reason_and_column(held: Agency) -> None:
    with held.warehouse() as connection:
        found = quarantine.counts(connection)
        shown = [
            (each.extract, each.file_name, each.reason, each.column_name, each.rows, each.first_line) for each in found
        ]
        assert shown == [
            ("clients", "clients/a.csv", "missing_required", "client_name", 3, 3),
            ("client_surveys", "client_surveys/s.csv", "out_of_range", "score", 1, 2),
            ("clients", "clients/a.csv", "malformed_row", None, 1, 5),
            ("clients", "clients/b.csv", "missing_required", "client_name", 1, 2),
            ("peer_reviews", "peer_reviews/p.csv", "missing_required", "reviewer_department", 1, 2),
        ]
        assert sum(each.rows for each in quarantine.counts(connection, file_name="clients/a.csv")) == 4
        assert [each.line for each in quarantine.rows(connection, extract="clients", reason="malformed_row")] == [5]
        assert len(quarantine.rows(connection, limit=2)) == 2


@pytest.mark.parametrize("wrong", [{"extract": "client"}, {"reason": "bad"}])
def test_an_unknown_name_is_refused(held: Agency, wrong: dict[str, str]) -> None:
    with (
        held.warehouse() as connection,
        pytest.raises(AmkpiError, match=r"unknown (extract|reason) .*; the (extracts|reasons) are: "),
    ):
        quarantine.counts(connection, **wrong)  # type: ignore[arg-type]


def test_before_the_first_build_there_is_nothing_to_list(agency: Agency) -> None:
    with agency.warehouse() as connection, pytest.raises(AmkpiError, match="amkpi build"):
        quarantine.rows(connection)


def exported(agency: Agency, target: Path) -> tuple[tuple[str, ...], list[list[str | None]]]:
    with agency.warehouse() as connection:
        assert quarantine.export(connection, "clients", target, file_name="clients/a.csv") == 4
    rows = open_text(target, examine(target), frozenset({"clientid"}))
    return rows.header, [list(fields) for _, fields in listed(rows)]


def test_a_workbook_of_them_has_each_cell_as_it_came(held: Agency, tmp_path: Path) -> None:
    header, rows = exported(held, tmp_path / "out.xlsx")
    sha256 = hashlib.sha256(FILES["clients/a.csv"].encode()).hexdigest()
    assert header == ("client_id", "client_name", "industry", "updated_at", "is_deleted", *quarantine.ABOUT)
    assert rows == [
        ["C2", "", "", "", "", "missing_required", "client_name", "clients/a.csv", "3", "", sha256],
        ["=1+1", "", "", "", "", "missing_required", "client_name", "clients/a.csv", "4", "", sha256],
        ["", "", "", "", "", "malformed_row", "", "clients/a.csv", "5", '["C4"]', sha256],
        ["-5", "", "", "", "", "missing_required", "client_name", "clients/a.csv", "6", "", sha256],
    ]
    assert b"<f>" not in b"".join(content for content in unzipped(tmp_path / "out.xlsx"))


def unzipped(path: Path) -> list[bytes]:
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in archive.namelist()]


def test_a_csv_of_them_holds_no_formula(held: Agency, tmp_path: Path) -> None:
    _, rows = exported(held, tmp_path / "out.csv")
    assert [row[0] for row in rows] == ["C2", "'=1+1", "", "-5"]


def test_what_is_private_is_not_written_out(held: Agency, tmp_path: Path) -> None:
    with held.warehouse() as connection:
        assert quarantine.export(connection, "client_surveys", tmp_path / "s.csv") == 1
        with pytest.raises(AmkpiError, match="private"):
            quarantine.export(connection, "peer_reviews", tmp_path / "p.csv")
    text = (tmp_path / "s.csv").read_text("utf-8-sig")
    assert "secret" not in text
    assert "comment" not in text
    assert not (tmp_path / "p.csv").exists()


def test_what_is_corrected_and_dropped_back_becomes_current(held: Agency, tmp_path: Path) -> None:
    exported(held, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["client_name"] = "corrected"
        row["client_id"] = row["client_id"] or "C4"
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    held.load({"clients/corrected.csv": text.getvalue()})
    with held.warehouse() as connection:
        check_rows(connection, "VND")
    names = dict(held.rows("select client_id, client_name from valid.clients"))
    assert names == {"C1": "One", **dict.fromkeys(["C2", "C4", "-5", "=1+1"], "corrected")}


def test_a_file_of_another_kind_is_refused(held: Agency, tmp_path: Path) -> None:
    with held.warehouse() as connection:
        with pytest.raises(AmkpiError, match=r"\.csv or \.xlsx"):
            quarantine.export(connection, "clients", tmp_path / "out.pdf")
        with pytest.raises(AmkpiError, match="cannot be written"):
            quarantine.export(connection, "clients", tmp_path / "nowhere" / "out.csv")


def again(agency: Agency, wanted: str) -> LoadReport:
    with agency.warehouse() as connection:
        return replay(connection, agency.home, agency.run.settings, lambda: agency.moment, SHIPPED_MAPPINGS, wanted)


def test_known_bytes_are_loaded_again_on_purpose(agency: Agency, tmp_path: Path) -> None:
    agency.load({"clients/a.csv": "client_id,client_name\nC1,first\n"})
    agency.load({"clients/a.csv": "client_id,client_name\nC1,second\n"})
    (first, second) = read(agency.home.state)
    (tmp_path / "mine.csv").write_text("client_id,client_name\nC1,first\n")
    for number, (wanted, sha256) in enumerate(
        [
            (str(tmp_path / "mine.csv"), first.sha256),
            ("clients/a.csv", first.sha256),  # the last of that name, which by now is the first again
            ((second.sha256 or "")[:12].upper(), second.sha256),
        ],
        3,
    ):
        (delivery,) = again(agency, wanted).deliveries
        assert (delivery.delivery, delivery.sha256, delivery.status, delivery.rows_read) == (
            number,
            sha256,
            "loaded",
            1,
        )
    assert agency.rows("select delivery, run, settled from raw.ledger order by 1") == [
        (n, n, True) for n in range(1, 6)
    ]
    assert len(read(agency.home.state)) == 5
    assert len(files_below(agency.home.archive)) == 2
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
    assert agency.rows("select client_name from valid.clients") == [("second",)]


@pytest.mark.parametrize("wanted", ["clients/b.csv", "0000000000", "", "abc"])
def test_bytes_that_nobody_loaded_cannot_be_loaded_again(agency: Agency, wanted: str) -> None:
    agency.load({"clients/a.csv": "client_id,client_name\nC1,first\n"})
    with pytest.raises(AmkpiError, match="no loaded file"):
        again(agency, wanted)
    assert len(read(agency.home.state)) == 1


def test_rows_of_one_native_row_show_the_line_of_the_file(agency: Agency) -> None:
    agency.home.sources.mkdir(parents=True, exist_ok=True)
    (agency.home.sources / "wide.yml").write_text(
        "file: wide*.csv\nextract: clients\nunpivot: { name: Which, value: Name, columns: [A, B] }\n"
        "columns:\n  client_id: { sql: 'case when \"Which\" = ''A'' then \"Id\" end' }\n  client_name: Name\n",
        encoding="utf-8",
    )
    agency.load({"wide.csv": "Id,A,B\nC1,x,y\nC2,x,y\n"})
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
        assert [row.line for row in quarantine.rows(connection)] == [2, 3]
        assert quarantine.counts(connection)[0].first_line == 2
