"""SQL expressions of a mapping: what they may do, and what they give."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from amkpi.ingestion.mappings.expressions import ExpressionError, parse, sandbox
from amkpi.ingestion.readers import Unreadable
from tests.ingestion.mappings.cases import CLIENTS, converted, costs, csv_file, mapped, refusal, result


def test_an_expression_sees_trimmed_cells_by_any_spelling_of_the_column_and_null_for_empty(tmp_path: Path) -> None:
    rule = """{ sql: "coalesce(native, 'none') || '/' || coalesce(\\"NATIVE\\", '-')" }"""
    assert converted(tmp_path, rule, "department", [" a ", "\u00a0\t", "", "e\u0301"]) == [
        "a/a", "none/-", "none/-", "\u00e9/\u00e9"
    ]  # fmt: skip
    assert parse('"native" || Native').columns == ("native",)


def test_an_expression_finds_a_column_whose_name_is_spelled_otherwise_in_the_file(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, CLIENTS.replace('"Name"', "account_name"))
    rows = csv_file(tmp_path, "Account ID,Account Name\nK1,A\n", mapping)
    assert result(mapping, rows)[0]["client_name"] == "A"


@pytest.mark.parametrize("sql", ['"Native"', 'nfc_normalize("Native")', 'Strip_Accents("Native")', 'trim("Native")'])
def test_a_text_is_not_cut_at_a_zero_byte(tmp_path: Path, sql: str) -> None:
    assert converted(tmp_path, f"{{ sql: '{sql}' }}", "department", ["Tr\xe0\0 x", "e\u0323\0 y", "z\0"]) == [
        "Tr\xe0\0 x",
        "e\u0323\0 y",
        "z\0",
    ]


def test_an_expression_without_columns_gives_every_row_its_value(tmp_path: Path) -> None:
    assert converted(tmp_path, "{ sql: \"upper('x')\" }", "department", ["a", "b"]) == ["X", "X"]


def test_an_expression_that_fails_on_a_row_leaves_a_value_that_no_typed_column_takes(tmp_path: Path) -> None:
    rule = "{ sql: 'cast(\"Native\" as decimal(18, 2)) * 2' }"
    assert converted(tmp_path, rule, "amount", ["1.5", "x", "", "2"]) == [
        "3.00", "(the mapping's sql fails on this row)", "", "4.00"
    ]  # fmt: skip


def test_an_expression_that_fails_in_a_text_column_rejects_the_file_with_the_line(tmp_path: Path) -> None:
    rule = "{ sql: 'cast(cast(\"Native\" as integer) as varchar)' }"
    with pytest.raises(Unreadable, match=r"mapping m: columns\.department\.sql fails on line 4: .*'x'"):
        converted(tmp_path, rule, "department", ["1", "2", "x"])


def test_a_value_map_does_not_swallow_a_failed_expression(tmp_path: Path) -> None:
    rule = "{ sql: 'cast(cast(\"Native\" as integer) as varchar)', values: { 1: '10', otherwise: '20' } }"
    assert converted(tmp_path, rule, "amount", ["1", "2", "x"]) == ["10", "20", "(the mapping's sql fails on this row)"]


@pytest.mark.parametrize(
    "text",
    [
        "read_csv('/etc/passwd')",
        "read_text('/etc/passwd')",
        "read_blob('/etc/passwd')",
        "(select content from read_text('/etc/passwd'))",
        "(select 1)",
        "exists (from '/etc/passwd')",
        "\"A\" in (select x from glob('/*') as t(x))",
        "glob('/*')",
        "getenv('HOME')",
        "current_setting('home_directory')",
        "getvariable('x')",
        "current_user",
        "copy (select 1) to '/tmp/x'",
        "attach '/tmp/x.duckdb'",
        "install httpfs",
        "load httpfs",
        "pragma version",
        "set threads = 4",
        "1; select 2",
        "1) from read_csv('https://example.org/x.csv') as t(x",
        "1), (2",
        "1) union all select (2",
        "1) limit (1",
        "* ",
        "columns('.*')",
        "$1",
        "count(*)",
        "row_number() over ()",
        "list_transform([1], lambda x: x)",
        "repeat('x', 2000000000)",
        "query('select 1')",
        "error('x')",
        "system.main.lower('x')",
        "cast('x' as my_type)",
        'cast("A" as json)',
        'cast("A" as varchar[])',
        "lower(",
        "-- nothing",
        "",
    ],
)
def test_an_expression_is_one_scalar_over_its_own_row_and_nothing_else(tmp_path: Path, text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)
    message = refusal(tmp_path, costs("{ sql: " + json.dumps(text) + " }", "department"))
    assert message.startswith("columns.department.sql: ")


@pytest.mark.parametrize(
    "text",
    [
        "now()",
        "random()",
        "uuid()",
        "gen_random_uuid()",
        "today()",
        "current_date",
        "current_timestamp",
        "get_current_timestamp()",
        "current_localtimestamp()",
        'age(cast("A" as timestamp))',
    ],
)
def test_a_clock_or_chance_is_refused_because_runs_are_reproducible(text: str) -> None:
    with pytest.raises(ExpressionError, match="the same file must give the same rows in every run"):
        parse(text)


@pytest.mark.parametrize("word", ["now", "today", "current_date"])
def test_no_text_reads_as_the_clock(word: str) -> None:
    with sandbox() as connection:
        assert connection.execute(f"select try_cast('{word}' as timestamp)").fetchone() == (None,)


@pytest.mark.parametrize(
    "statement",
    [
        "set enable_external_access = true",
        "reset enable_external_access",
        "set lock_configuration = false",
        "set autoload_known_extensions = true",
        "set memory_limit = '100GB'",
        "set TimeZone = 'Asia/Ho_Chi_Minh'",
        "pragma threads = 4",
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from read_csv('https://example.org/x.csv')",
        "select * from glob('/etc/*')",
        "select * from '/etc/passwd'",
        "select getenv('HOME')",
        "copy (select 1) to '/tmp/amkpi-test.csv'",
        "attach '/tmp/amkpi-test.duckdb'",
        "install httpfs",
        "load httpfs",
    ],
)
def test_even_a_whole_statement_reaches_no_file_no_network_and_no_setting(statement: str) -> None:
    with sandbox() as connection, pytest.raises(duckdb.Error):
        connection.execute(statement).fetchall()


def test_every_function_that_an_expression_may_use_is_one_that_gives_the_same_for_the_same_row() -> None:
    from amkpi.ingestion.mappings import expressions

    with sandbox() as connection:
        rows = connection.execute("select function_name, function_type, stability from duckdb_functions()").fetchall()
    kinds: dict[str, set[tuple[str, str]]] = {}
    for name, kind, stability in rows:
        kinds.setdefault(name, set()).add((kind, stability or "CONSISTENT"))
    for name in expressions._FUNCTIONS:
        assert kinds[name] <= {("scalar", "CONSISTENT"), ("macro", "CONSISTENT")}, name
