"""`amkpi query`: what it gives in each format, and that nothing of it is cut."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
import zipfile
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
from python_calamine import load_workbook

from amkpi.interfaces.cli.query_output import markdown, table, workbook
from amkpi.publishing.fence import Answer
from tests.command_line import amkpi, failed, variables
from tests.publishing.published_files import small_publication

LONG = "Công ty Cổ phần Truyền thông và Tiếp thị Số Ánh Dương Việt Nam, chi nhánh Thành phố Hồ Chí Minh"


def cells(file: Path) -> list[list[object]]:
    return load_workbook(file).get_sheet_by_index(0).to_python()  # type: ignore[return-value]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_publication(tmp_path_factory.mktemp("query")).root


def test_a_table_in_a_pipe_is_as_wide_as_its_rows(home: Path) -> None:
    columns = ", ".join(f"1234567890123.4{n} as a_long_name_of_column_{n}" for n in range(20))
    shown = amkpi(home, "query", f"select '{LONG}' as name, {columns}", COLUMNS="40").stdout
    head, rule, row, *rest = shown.splitlines()
    assert rest == []
    assert head.split() == ["name", *(f"a_long_name_of_column_{n}" for n in range(20))]
    assert row.startswith(LONG)
    assert row.split()[-20:] == [f"1234567890123.4{n}" for n in range(20)]
    assert len(head) == len(rule) == len(row)


def test_numbers_and_dates_are_as_duckdb_writes_them(home: Path) -> None:
    sql = "select period_start, value, null_reason from kpi_values order by value nulls last"
    assert [line.split() for line in amkpi(home, "query", sql).stdout.splitlines()[2:]] == [
        ["2026-09-01", "0.5"],
        ["2026-09-01", "0.8181818181818182"],
        ["2026-09-01", "1234567890123.45"],
        ["2026-09-01", "no_scored_responses"],
    ]


def test_a_terminal_gets_only_long_texts_shortened_and_sees_it() -> None:
    answer = Answer(
        ("client_name", "a_long_name_of_a_number", "day"), ("VARCHAR", "DOUBLE", "DATE"),
        [(LONG, "1234567890123.45", "2026-09-01"), ("Trà Xanh", None, None)], False,
    )  # fmt: skip
    head, _, first, second = table(answer, 80)
    assert len(head) <= len(first) == 80
    assert first.split()[-2:] == ["1234567890123.45", "2026-09-01"]
    assert "…  " in first
    assert second == "Trà Xanh"
    assert "a_long_name_of_a_number" in head
    # Too narrow for the numbers: the lines become wider than the terminal.
    narrow = table(answer, 20)
    assert narrow[2].split()[-2:] == ["1234567890123.45", "2026-09-01"]
    assert narrow[2].startswith("Công ty Cổ phần…")
    assert [line.split()[0] for line in table(answer, None)[3:]] == ["Trà"]


def test_control_signs_and_line_ends_of_data_do_not_reach_the_terminal(home: Path) -> None:
    shown = amkpi(home, "query", "select 'a' || chr(27) || '[31m' || chr(10) || 'b' as t").stdout
    assert shown.splitlines()[2:] == ["a [31m b"]


def test_explain_keeps_its_drawing(home: Path) -> None:
    assert len(amkpi(home, "query", "explain from kpi_values").stdout.splitlines()) > 5


def test_csv_and_json_are_read_back_whole(home: Path) -> None:
    sql = "select 'Trần, \"Lan\"' as name, 'nan'::double as none, [1, null] as list, date '2026-09-01' as day"
    assert list(csv.reader(io.StringIO(amkpi(home, "query", sql, "--format", "csv").stdout))) == [
        ["name", "none", "list", "day"], ['Trần, "Lan"', "", "[1, NULL]", "2026-09-01"],
    ]  # fmt: skip
    assert json.loads(amkpi(home, "query", sql, "--format", "json").stdout) == [
        {"name": 'Trần, "Lan"', "none": None, "list": [1, None], "day": "2026-09-01"}
    ]


def test_markdown_escapes_what_would_end_a_cell() -> None:
    answer = Answer(("n", "t"), ("BIGINT", "VARCHAR"), [("1", "a|b\\c\nd"), (None, None)], False)
    assert markdown(answer).splitlines() == ["| n | t |", "| ---: | --- |", "| 1 | a\\|b\\\\c<br>d |", "|  |  |"]


def test_a_file_is_written_in_the_format_of_its_ending(home: Path, tmp_path: Path) -> None:
    sql = "select staff_id, full_name from dim_staff order by all"
    for ending in ("csv", "json", "md", "parquet", "xlsx"):
        assert amkpi(home, "query", sql, "--output", str(tmp_path / f"x.{ending}")).stdout == ""
    rows = [("DUNG", "Lê Dũng"), ("LAN", "Trần Thị Lan")]
    for ending in ("csv", "json", "parquet"):
        assert duckdb.sql(f"from '{tmp_path}/x.{ending}'").fetchall() == rows
    assert "| LAN | Trần Thị Lan |" in (tmp_path / "x.md").read_text(encoding="utf-8")
    assert cells(tmp_path / "x.xlsx") == [["staff_id", "full_name"], *map(list, rows)]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.csv", "x.json", "x.md", "x.parquet", "x.xlsx"]


def test_a_file_of_a_query_that_fails_is_left_as_it_was(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("before")
    assert "the query failed" in failed(amkpi(home, "query", "from nowhere", "--output", str(file)), 1)
    assert file.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1
    assert "cannot be written" in failed(
        amkpi(home, "query", "select 1", "--output", str(tmp_path / "no" / "x.csv")), 1
    )


def test_a_sheet_has_numbers_dates_and_no_formula(tmp_path: Path, home: Path) -> None:
    sql = (
        "select '=1+1' as text, 1.5 as number, date '2026-09-01' as day, 9007199254740993 as big, 'nan'::double as no,"
        " true as flag, {'a': [1]} as nested, timestamptz '2026-09-01 00:00:00+00' as moment, 10::hugeint as huge"
    )
    file = tmp_path / "x.xlsx"
    amkpi(home, "query", sql, "--output", str(file))
    head, row = cells(file)
    assert dict(zip(head, row, strict=True)) == {
        "text": "=1+1", "number": 1.5, "day": date(2026, 9, 1), "big": "9007199254740993", "no": "", "flag": True,
        "nested": '{"a": [1]}', "moment": datetime(2026, 9, 1, 7), "huge": 10,  # noqa: DTZ001
    }  # fmt: skip
    with pytest.raises(Exception, match="more than 100,000 rows: use --format parquet or csv"):
        workbook(Answer(("a",), ("INTEGER",), [(1,)], True))


def test_the_statement_may_come_from_standard_input(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("select 'Trần' as name".encode())))
    assert amkpi(home, "query", "-", "--format", "csv").stdout == "name\nTrần\n"


def test_several_statements_and_writing_ones_are_one_line(home: Path) -> None:
    assert "a query is one statement, and these are 2" in failed(amkpi(home, "query", "select 1; select 2"), 1)
    wrong = failed(amkpi(home, "query", "selct 1"), 1)
    assert wrong.endswith('syntax error at or near "selct" LINE 1: selct 1')
    assert "INSERT is refused" in failed(amkpi(home, "query", "insert into dim_staff values (1)"), 1)
    slow = amkpi(home, "query", "from range(10000000000) where range = -1", AMKPI_QUERY_SECONDS="0.2")
    assert "took longer than 0.2 s" in failed(slow, 1)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_no_encoding_of_the_output_ends_in_a_traceback(home: Path, encoding: str) -> None:
    sql = "select full_name from dim_staff where staff_id = 'LAN'"
    command = f"""
from amkpi.interfaces.cli.main import main
for form in ("table", "csv", "json", "markdown"):
    assert main(["query", {sql!r}, "--format", form]) == 0
assert main(["explain", "1", "KHÔNG", "2026"]) == 1
"""
    done = subprocess.run(
        [sys.executable, "-c", command], env=variables(home, PYTHONIOENCODING=encoding), capture_output=True, check=True
    )
    out, err = done.stdout.decode(encoding), done.stderr.decode(encoding, "replace")
    assert "Traceback" not in err
    _, rule, name, *others = out.splitlines()
    # JSON escapes what the encoding lacks; anything else shows that a letter is missing.
    assert json.loads("".join(others[2:5])) == [{"full_name": "Trần Thị Lan"}]
    if encoding == "utf-8":
        assert (name, rule) == ("Trần Thị Lan", "─" * 12)
        assert "lacks" not in err
    else:
        assert (name, rule) == ("Tr?n Th? Lan", "-" * 12)
        assert f"the encoding {encoding} of the output lacks" in err.replace("iso8859-1", "latin-1")


@pytest.mark.slow
def test_a_closed_pipe_is_quiet_and_ends_the_query(home: Path) -> None:
    command = "import sys; from amkpi.interfaces.cli.main import main; sys.exit(main(sys.argv[1:]))"
    for form in ("csv", "table"):
        sql = "from range(90000)" if form == "table" else "from range(100000000000)"
        with subprocess.Popen(
            [sys.executable, "-c", command, "query", sql, "--format", form],
            env=variables(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdout
            assert process.stderr
            assert process.stdout.readline()
            process.stdout.close()
            assert process.wait(30) == 0
            assert process.stderr.read() == b""


@pytest.mark.slow
def test_a_binary_format_is_not_printed_on_a_terminal(home: Path, tmp_path: Path) -> None:
    outer, inner = pty.openpty()
    command = f"""
from amkpi.interfaces.cli.main import main
assert main(["query", "select 1", "--format", "parquet"]) == 1
assert main(["query", "select '{LONG}' as name, 5 as n"]) == 0
"""
    done = subprocess.run(
        [sys.executable, "-c", command],
        env=variables(home, TERM="xterm"),
        stdout=inner,
        stderr=subprocess.PIPE,
        check=True,
    )
    os.close(inner)
    shown = os.read(outer, 10000).decode()
    assert b"parquet is not for a terminal: add --output FILE" in done.stderr
    assert f"{LONG[:76]}…  5" in shown.splitlines()
    assert "1 row" in shown
    # A pipe takes it.
    piped = subprocess.run(
        [sys.executable, "-m", "amkpi.interfaces.cli.main", "query", "select 1", "--format", "xlsx"],
        env=variables(home), capture_output=True, check=True,
    )  # fmt: skip
    assert zipfile.is_zipfile(io.BytesIO(piped.stdout))
