"""SQL behind the fence: it reads the marts, and reaches nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings
from amkpi.publishing.fence import Fence, Form, fenced
from tests.changed_settings import changed
from tests.publishing.published_files import small_publication


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return small_publication(tmp_path_factory.mktemp("fence"))


@pytest.fixture(scope="module")
def settings() -> Settings:
    return changed(Settings.model_validate({}), query_seconds=20)


@pytest.fixture(scope="module")
def fence(home: Home, settings: Settings) -> Iterator[Fence]:
    with fenced(home, settings) as opened:
        yield opened


def streamed(fence: Fence, sql: str, form: Form) -> bytes:
    pieces: list[bytes] = []
    fence.stream(sql, form, lambda piece: pieces.append(piece) is None)
    return b"".join(pieces)


READING = [
    "select count(*) as n from kpi_values",
    "select count(*) from marts.kpi_values -- a comment at the end",
    "from kpi_values limit 1;",
    "with a as (select 1 as one) select * from a",
    "table dim_staff",
    "values (1)",
    "describe kpi_values",
    "summarize dim_staff",
    "show tables",
    "pivot kpi_values on scope using count(*)",
    "explain select * from kpi_values",
    "explain analyze select 1",
]

REFUSED = [
    "copy (select 1) to '{secret}'",
    "copy dim_staff from '{secret}'",
    "attach '{secret}' as other",
    "detach memory",
    "use memory",
    "install httpfs",
    "load httpfs",
    "set memory_limit = '100GB'",
    "set enable_external_access = true",
    "set variable x = 1",
    "reset memory_limit",
    "pragma database_list",
    "pragma memory_limit = '100GB'",
    "export database '{secret}'",
    "import database '{secret}'",
    "create table memory.main.t as select 1",
    "create temp table t as select 1",
    "create macro f() as 1",
    "create secret s (type s3)",
    "drop view kpi_values",
    "insert into dim_staff values ('X')",
    "update dim_staff set staff_id = 'X'",
    "delete from dim_staff",
    "alter table dim_staff add column x int",
    "call force_checkpoint()",
    "call enable_logging()",
    "checkpoint",
    "vacuum",
    "begin",
    "prepare q as select 1",
    "execute q",
    "explain copy (select 1) to '{secret}'",
    "explain analyze create table memory.main.t as select 1",
    "/* */ explain (format json) delete from dim_staff",
]

OUT_OF_REACH = [
    "select * from read_csv('{secret}')",
    "select * from read_text('{secret}')",
    "select * from read_blob('{secret}')",
    "select * from read_json('{secret}')",
    "select * from read_parquet('{secret}')",
    "select * from parquet_metadata('{secret}')",
    "select * from sniff_csv('{secret}')",
    "select * from glob('{folder}/*')",
    "select * from '{secret}'",
    "select * from '{folder}/*.csv'",
    "select * from read_csv('https://example.com/x.csv')",
    "select * from 'https://example.com/x.parquet'",
    "select * from 's3://bucket/x.parquet'",
    "select getenv('HOME')",
    "select * from query('copy (select 1) to ''{secret}''')",
    "select * from write_log('x')",
]


@pytest.mark.parametrize("sql", READING)
def test_a_statement_that_reads_is_answered(fence: Fence, sql: str) -> None:
    assert fence.rows(sql, 10).rows


@pytest.mark.parametrize("sql", REFUSED)
@pytest.mark.parametrize("as_stream", [False, True])
def test_a_statement_that_does_anything_else_is_refused_by_its_kind(
    fence: Fence, tmp_path: Path, sql: str, as_stream: bool
) -> None:
    secret = tmp_path / "secret.csv"
    run: Callable[[str], object] = (
        (lambda text: streamed(fence, text, "csv")) if as_stream else (lambda text: fence.rows(text, 1))
    )
    with pytest.raises(AmkpiError, match=r"a query only reads, and [A-Z_]+ is refused"):
        run(sql.format(secret=secret, folder=tmp_path))
    assert not secret.exists()


@pytest.mark.parametrize("sql", OUT_OF_REACH)
def test_no_function_reaches_a_file_the_network_or_the_program(fence: Fence, tmp_path: Path, sql: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\nkept from the query\n")
    with pytest.raises(AmkpiError, match="the query failed") as failure:
        fence.rows(sql.format(secret=secret, folder=tmp_path), 1)
    assert "kept from the query" not in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_table_name_is_no_variable_of_the_program(fence: Fence) -> None:
    kept = pa.table({"kept": ["from the query"]})
    with pytest.raises(AmkpiError, match="Table with name kept does not exist"):
        fence.rows("from kept", kept.num_rows)


def test_several_statements_are_refused_in_one_line(fence: Fence) -> None:
    with pytest.raises(AmkpiError, match="a query is one statement, and these are 2: run them one by one"):
        fence.rows("select 1; select 2", 1)
    for nothing in ("", "  ", ";", "-- only a comment"):
        with pytest.raises(AmkpiError, match="the query is empty"):
            fence.rows(nothing, 1)


def test_text_that_would_end_the_copy_early_is_no_statement(fence: Fence, tmp_path: Path) -> None:
    for sql in (f"select 1) to '{tmp_path}/x' --", f"select 1) to '{tmp_path}/x'; copy (select 1", "select 1 /*"):
        with pytest.raises(AmkpiError, match="the query failed"):
            streamed(fence, sql, "csv")
    assert not list(tmp_path.iterdir())


ENDLESS = [
    "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r",
    "with recursive r as (select 1 as n union all select n + 1 from r) from r",
    "select count(*) from range(1000000000) as a, range(1000000000) as b where a.range + b.range = 7",
]
TOO_LARGE = [
    "select list(range) from range(1000000000)",
    "select a.range, count(*) from range(100000000) as a group by all",
    "select string_agg(range::varchar, '') from range(1000000000)",
]


@pytest.mark.parametrize("sql", ENDLESS)
@pytest.mark.parametrize("as_stream", [False, True])
def test_an_endless_query_is_stopped_by_its_time_or_its_memory(
    home: Home, settings: Settings, sql: str, as_stream: bool
) -> None:
    started = time.monotonic()
    with (
        fenced(home, changed(settings, query_seconds=0.3)) as fence,
        pytest.raises(AmkpiError, match=r"took longer than 0\.3 s .* query_seconds|query_memory_limit"),
    ):
        streamed(fence, sql, "json") if as_stream else fence.rows(sql, 10**9)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("sql", TOO_LARGE)
def test_a_query_that_needs_too_much_memory_is_stopped_and_writes_nothing_to_disk(
    home: Home, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        fenced(home, changed(settings, query_memory_limit="30MB")) as fence,
        pytest.raises(AmkpiError, match=r"needs more memory than 30MB and was stopped: .* query_memory_limit"),
    ):
        fence.rows(sql, 1)
    assert not list(tmp_path.iterdir())


def test_the_time_of_a_slow_reader_is_not_the_querys(home: Home, settings: Settings) -> None:
    pieces: list[bytes] = []

    def slowly(piece: bytes) -> bool:
        time.sleep(0.2)
        pieces.append(piece)
        return True

    with fenced(home, changed(settings, query_seconds=0.5)) as fence:
        fence.stream("from range(60000)", "csv", slowly)
    assert len(pieces) > 3
    assert b"".join(pieces).splitlines()[-1] == b"59999"


def test_a_reader_that_wants_no_more_ends_the_query(home: Home, settings: Settings) -> None:
    started = time.monotonic()
    with fenced(home, settings) as fence:
        fence.stream("from range(100000000000)", "csv", lambda piece: False)
    assert time.monotonic() - started < 5


def test_a_setting_that_is_no_size_is_named(home: Home, settings: Settings) -> None:
    with (
        pytest.raises(AmkpiError, match="setting query_memory_limit = 'much'"),
        fenced(home, changed(settings, query_memory_limit="much")),
    ):
        pass


def test_the_fence_stands_while_the_process_has_the_file_open_otherwise(home: Home, settings: Settings) -> None:
    with duckdb.connect(str(home.current.resolve()), read_only=True), fenced(home, settings) as fence:
        assert fence.rows("select current_setting('memory_limit')", 1).rows == [("488.2 MiB",)]


def test_rows_say_whether_there_are_more(fence: Fence) -> None:
    assert fence.rows("from range(3)", 3).has_more is False
    answer = fence.rows("select range as n, 'x' as t from range(4)", 3)
    assert (answer.columns, answer.types, answer.has_more) == (("n", "t"), ("BIGINT", "VARCHAR"), True)
    assert answer.rows == [(0, "x"), (1, "x"), (2, "x")]


VALUES = (
    "select 'nan'::double as n, 'inf'::float as f, [1, 'nan'::double] as list, {'day': date '2026-01-31'} as nested,"
    " '' as empty, null as nothing, 1.50::decimal(5, 2) as amount, 9007199254740993 as big, 'NaN, \"Trần\"' as text,"
    " timestamptz '2026-01-01 00:00:00+00' as moment, true as flag"
)


def test_json_is_duckdbs_own_with_null_for_what_is_no_number(fence: Fence) -> None:
    (row,) = json.loads(streamed(fence, VALUES, "json"), parse_constant=lambda name: pytest.fail(name))
    assert row == {
        "n": None, "f": None, "list": [1.0, None], "nested": {"day": "2026-01-31"}, "empty": "", "nothing": None,
        "amount": 1.5, "big": 9007199254740993, "text": 'NaN, "Trần"', "moment": "2026-01-01 07:00:00+07", "flag": True,
    }  # fmt: skip
    assert json.loads(streamed(fence, "from dim_staff where false", "json")) == []


def test_csv_is_duckdbs_own_with_an_empty_cell_for_no_number(fence: Fence) -> None:
    head, row = streamed(fence, VALUES, "csv").decode().splitlines()
    assert head == "n,f,list,nested,empty,nothing,amount,big,text,moment,flag"
    assert row == (
        ',inf,"[1.0, nan]",{\'day\': 2026-01-31},"",,1.50,9007199254740993,"NaN, ""Trần""",2026-01-01 07:00:00+07,true'
    )
    assert streamed(fence, 'select 1 as "a,""b", 2 as "a,""b"', "csv") == b'"a,""b","a,""b_1"\n1,2\n'


def test_parquet_reads_back_with_its_types(fence: Fence, tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    file.write_bytes(streamed(fence, "select date '2026-01-31' as day, sum(range) as total from range(5)", "parquet"))
    assert duckdb.sql(f"from '{file}'").fetchall() == fence.rows("select date '2026-01-31', 10::hugeint", 1).rows


def test_texts_are_what_duckdb_writes_in_the_order_of_the_query(fence: Fence) -> None:
    answer = fence.texts(VALUES, 5)
    assert answer.rows == [
        (
            *("nan", "inf", "[1.0, nan]", "{'day': 2026-01-31}", "", None, "1.50", "9007199254740993", 'NaN, "Trần"'),
            *("2026-01-01 07:00:00+07", "true"),
        )
    ]
    assert answer.types[:2] == ("DOUBLE", "FLOAT")
    many = fence.texts("from range(300000) order by -range", 300000)
    assert [row[0] for row in many.rows] == [str(n) for n in range(299999, -1, -1)]
    assert fence.texts("describe dim_staff", 5).rows[0][:2] == ("staff_id", "VARCHAR")
