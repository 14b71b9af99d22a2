"""Source mappings: what a mapping file may say, and what it makes of native rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

from amkpi.core.paths import SHIPPED_MAPPINGS as SHIPPED
from amkpi.ingestion.mappings.apply import apply, unused_columns
from amkpi.ingestion.mappings.expressions import ExpressionError, parse, sandbox
from amkpi.ingestion.mappings.files import MappingError, from_text, load_mappings
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.mappings.values.dates import DateReader, date_format
from amkpi.ingestion.mappings.values.numbers import NumberFormat
from amkpi.ingestion.readers import TextRows, Unreadable, batch_schema, examine, read_csv
from tests.paths import REAL_EXPORTS as REAL

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")

CLIENTS = """
file: "*accounts*.csv"
extract: clients
columns:
  client_id: Account ID
  client_name: { sql: 'coalesce("Name", "Account ID")' }
"""


def mapped(tmp_path: Path, text: str, name: str = "m") -> Mapping:
    """The mapping that this YAML is."""
    (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
    (mapping,) = load_mappings(tmp_path, None, ZONE)
    return mapping


def refusal(tmp_path: Path, text: str) -> str:
    """What the mapping file is refused with: one line that begins with the file."""
    with pytest.raises(MappingError) as caught:
        mapped(tmp_path, text)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(tmp_path / "m.yml") + ": ")
    return message.removeprefix(str(tmp_path / "m.yml") + ": ")


def csv_file(tmp_path: Path, text: str, mapping: Mapping) -> TextRows:
    path = tmp_path / "export.csv"
    path.write_text(text, encoding="utf-8")
    return read_csv(path, "utf-8-sig", mapping.native_columns)


def result(mapping: Mapping, rows: TextRows) -> list[dict[str, object]]:
    """The rows that the mapping yields, by canonical name, with `_line`, `_malformed` and `_row`."""
    applied = apply(mapping, rows)
    found = []
    for batch in applied.batches:
        assert batch.schema == batch_schema(len(applied.header))
        for row in batch.to_pylist():
            found.append({name: row[f"c{place}"] for place, name in enumerate(applied.header)})
            found[-1].update({key: row[key] for key in ("_line", "_malformed", "_row")})
    return found


def costs(rule: str, column: str = "amount") -> str:
    """A mapping of project costs in which one column has this rule."""
    rules = {"cost_id": "Id", "project_id": "Project", "cost_date": "Day", "amount": "Amount"}
    lines = [f"  {name}: {rule if name == column else native}" for name, native in rules.items()]
    if column not in rules:
        lines.append(f"  {column}: {rule}")
    return "file: 'x*.csv'\nextract: project_costs\ncolumns:\n  currency: { constant: USD }\n" + "\n".join(lines) + "\n"


def converted(tmp_path: Path, rule: str, column: str, native: Sequence[str]) -> list[object]:
    """What the rule makes of the native cells of the column `Native`."""
    mapping = mapped(tmp_path, costs(rule, column))
    with (tmp_path / "export.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Id", "Project", "Day", "Amount", "Native"])
        writer.writerows(["c", "p", "2025-01-01", "1", cell] for cell in native)
    rows = read_csv(tmp_path / "export.csv", "utf-8-sig", mapping.native_columns)
    return [row[column] for row in result(mapping, rows)]


# What a mapping file may say.


def test_a_mapping_takes_files_by_path_and_by_name_in_any_case_and_compressed(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, CLIENTS.replace('"*accounts*.csv"', '["accounts*.csv", "crm/*.txt"]'))
    assert mapping.takes("Accounts_2025.CSV")
    assert mapping.takes("exports/2025/accounts.csv")
    assert mapping.takes("accounts.csv.gz")
    assert mapping.takes("CRM/list.txt")
    assert mapped(tmp_path, CLIENTS.replace("*accounts*.csv", "accounts.csv.gz")).takes("in/accounts.csv.gz")
    assert not mapping.takes("other/list.txt")
    assert not mapping.takes("my_accounts.csv")


def test_the_agencys_own_mapping_wins_by_name_and_all_are_sorted_by_name(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    shipped.mkdir()
    own.mkdir()
    for path in (shipped / "b.yml", shipped / "c.yml", own / "a.yml"):
        path.write_text(CLIENTS, encoding="utf-8")
    (own / "c.yml").write_text(CLIENTS.replace("Account ID", "Key"), encoding="utf-8")
    mappings = load_mappings(shipped, own, ZONE)
    assert [mapping.name for mapping in mappings] == ["a", "b", "c"]
    assert "key" in mappings[2].native_columns
    assert [mapping.name for mapping in load_mappings(shipped, tmp_path / "nowhere", ZONE)] == ["b", "c"]


def test_the_native_columns_are_those_of_columns_expressions_and_filters(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, CLIENTS + "where: [\"Record Type = 'x'\"]".replace("Record Type", '\\"Record-Type\\"'))
    assert mapping.native_columns == {"accountid", "name", "recordtype"}
    assert unused_columns(mapping, ["account_id", "NAME", "Phone", " ", "record type"]) == ("Phone",)


@pytest.mark.parametrize(
    ("text", "key", "fix"),
    [
        (CLIENTS.replace("extract: clients", "extract: client"), "extract", "did you mean clients?"),
        (CLIENTS.replace("extract: clients", "extrakt: clients"), "extract", "is missing"),
        (CLIENTS + "wher: []\n", "wher", "did you mean where?"),
        (CLIENTS + "name: other\n", "name", "remove this key"),
        (CLIENTS + "snapshot: perhaps\n", "snapshot", "must be true or false, not 'perhaps'"),
        (CLIENTS.replace("file:", "files:"), "file", 'write a pattern such as "*opportunity*.csv"'),
        (CLIENTS.replace("client_name:", "client_nam:"), "columns.client_nam", "did you mean client_name?"),
        (
            CLIENTS.replace("  client_id: Account ID\n", ""),
            "columns",
            "client_id is required by clients but not mapped",
        ),
        (costs("{ column: A, constant: 5 }"), "columns.amount", "has column and constant: give exactly one of"),
        (costs("{ values: { a: 1 } }"), "columns.amount", "give exactly one of column, constant, sql and id_from"),
        (costs("{ colum: A }"), "columns.amount.colum", "did you mean column?"),
        (costs("{ column: A, otherwise: 1 }"), "columns.amount.otherwise", "inside values"),
        (costs("[A]"), "columns.amount", "must be the name of a native column, or"),
        (
            costs("{ column: A, scale: many }"),
            "columns.amount.scale",
            "such as 1000 or 0.01, not 'many'",
        ),
        (costs("{ column: A, scale: 0 }"), "columns.amount.scale", "a number other than 0"),
        (costs("{ column: A, decimal: x }"), "columns.amount.decimal", "not 'x'"),
        (costs("{ column: A, thousands: '.' }"), "columns.amount.thousands", "is the decimal sign too"),
        (costs("{ column: A, date_format: dd/MM/yyyy }"), "columns.amount.date_format", "is a number, not a date"),
        (costs("{ column: A, scale: 2 }", "cost_date"), "columns.cost_date.scale", "is a date, not a number"),
        (costs("{ constant: 31/12/2025 }", "cost_date"), "columns.cost_date.constant", "write it as 2025-12-31"),
        (
            costs("{ column: A, date_format: DD/MM/YYYY }", "cost_date"),
            "columns.cost_date.date_format",
            "the day is dd",
        ),
        (
            costs("{ column: A, date_format: mm/dd/yyyy }", "cost_date"),
            "columns.cost_date.date_format",
            "the month is MM",
        ),
        (costs("{ column: A, date_format: '%d/%Q' }", "cost_date"), "columns.cost_date.date_format", "%Q is not part"),
        (
            costs("{ column: A, date_format: 'dd/MM/yyyy hh:mm' }", "cost_date"),
            "columns.cost_date.date_format",
            "AM or PM",
        ),
        (
            costs("{ constant: usd }", "currency").replace("  currency: { constant: USD }\n", ""),
            "columns.currency",
            "USD",
        ),
        (costs("{ sql: 'cast(' }"), "columns.amount.sql", "does not parse"),
        (costs('{ sql: \'"A" - "B"\' }'), "columns.amount.sql", "every native column is text: cast it first"),
        (costs("{ sql: \"strptime(A, '%d/%m/%Y')\" }", "cost_date"), "columns.cost_date.sql", "cast((...) as date)"),
        (costs("Amount") + "where: ['length(\"A\")']\n", "where", "write a condition"),
        (costs("Amount") + "  amount: Other\n", "line 9", "amount is there twice"),
        ("file: [x\n", "line 2", "correct the YAML there"),
        ("just a text\n", "", "has no keys"),
        ("file: x\nextract: clients\ncolumns:\n", "columns", "must have keys and values"),
    ],
)
def test_a_wrong_mapping_is_refused_in_one_line_that_names_file_key_and_fix(
    tmp_path: Path, text: str, key: str, fix: str
) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(key), message
    assert fix in message, message


def test_a_value_map_into_an_unknown_choice_is_refused_with_the_choice_that_was_meant(tmp_path: Path) -> None:
    text = (SHIPPED / "salesforce_opportunities.yml").read_text(encoding="utf-8")
    message = refusal(tmp_path, text.replace("Upgrade: upsell", "Upgrade: up_sell"))
    assert message.startswith("columns.kind.values.Existing Customer - Upgrade: 'up_sell' is not one of new_business")
    assert "did you mean upsell?" in message


def test_yaml_words_and_figures_stay_as_written(tmp_path: Path) -> None:
    rule = "{ column: Native, values: { no: 1.50, 2025-01-01: 007 } }"
    assert converted(tmp_path, rule, "amount", ["no", "2025-01-01", "No"]) == ["1.50", "007", "1.50"]


@pytest.mark.parametrize("where", ["client_id: Account ID", "client_name"])
def test_half_a_character_in_a_mapping_is_refused(tmp_path: Path, where: str) -> None:
    half = where.replace("Account ID", '"\\ud83d\\ude00"').replace("client_name", '"\\ud800"')
    assert "halves of a character" in refusal(tmp_path, CLIENTS.replace(where, half))


def test_a_mapping_named_yaml_is_refused_not_ignored(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(CLIENTS, encoding="utf-8")
    with pytest.raises(MappingError, match=r"rename it to m\.yml"):
        load_mappings(tmp_path, None, ZONE)


# What a mapping makes of rows.


def test_rows_keep_order_line_and_the_native_row_as_it_came(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, CLIENTS)
    rows = csv_file(tmp_path, 'account-id;NAME;Note\n K1 ;"A\nB";x\nK2;;"say ""hi"""\n', mapping)
    first, second = result(mapping, rows)
    assert (first["client_id"], first["client_name"], first["_line"]) == (" K1 ", "A\nB", 2)
    assert json.loads(str(first["_row"])) == {"account-id": " K1 ", "NAME": "A\nB", "Note": "x"}
    assert (second["client_name"], second["_line"]) == ("K2", 4)
    assert json.loads(str(second["_row"])) == {"account-id": "K2", "NAME": "", "Note": 'say "hi"'}


def test_a_malformed_row_stays_malformed_with_its_fields_whatever_the_filter(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, CLIENTS + "where: '\"Name\" = ''B'''\n")
    rows = csv_file(tmp_path, "Account ID,Name\nK1,A,too,many\nK2,A\nK3,B\n", mapping)
    bad, good = result(mapping, rows)
    assert (bad["_malformed"], bad["client_id"], bad["client_name"], bad["_line"]) == (True, None, None, 2)
    assert json.loads(str(bad["_row"])) == ["K1", "A", "too", "many"]
    assert (good["_malformed"], good["client_id"]) == (False, "K3")


def test_a_filter_leaves_out_what_is_false_or_unknown_and_later_filters_are_not_asked_about_it(tmp_path: Path) -> None:
    where = 'where:\n  - "\\"Type\\" = \'number\'"\n  - \'cast("Name" as integer) > 1\'\n'
    mapping = mapped(tmp_path, CLIENTS + where)
    rows = csv_file(tmp_path, "Account ID,Name,Type\nK1,no number,text\nK2,2,number\nK3,1,number\nK4,9,\n", mapping)
    assert [row["client_id"] for row in result(mapping, rows)] == ["K2"]


def test_a_filter_that_fails_on_a_row_rejects_the_file_with_mapping_key_and_line(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, CLIENTS + "where: ['cast(\"Name\" as integer) > 1']\n")
    rows = csv_file(tmp_path, "Account ID,Name\nK1,2\nK2,two\n", mapping)
    with pytest.raises(Unreadable, match=r"mapping m: where\.0 fails on line 3: .*two"):
        result(mapping, rows)


def test_only_the_columns_given_are_there_in_the_extracts_order(tmp_path: Path) -> None:
    mapping = mapped(
        tmp_path, "file: x\nextract: clients\ncolumns:\n  is_deleted: D\n  client_name: B\n  client_id: A\n"
    )
    assert apply(mapping, csv_file(tmp_path, "A,B,D\n", mapping)).header == ("client_id", "client_name", "is_deleted")


def test_a_native_column_that_the_file_lacks_rejects_the_file_naming_it_and_what_there_is(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, CLIENTS)
    with pytest.raises(Unreadable, match="mapping m: the file lacks the column Name; it has: Account ID, Phone"):
        apply(mapping, csv_file(tmp_path, "Account ID,Phone\nK1,1\n", mapping))


def test_a_native_column_that_is_there_twice_matters_only_where_the_mapping_needs_it(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, CLIENTS)
    rows = csv_file(tmp_path, "Account ID,Name,Label,Label\nK1,A,x,y\n", mapping)
    assert json.loads(str(result(mapping, rows)[0]["_row"])) == {
        "Account ID": "K1", "Name": "A", "Label": "x", "Label (2)": "y"
    }  # fmt: skip
    with pytest.raises(Unreadable, match="the column Name is there 2 times, as Name and NAME"):
        apply(mapping, csv_file(tmp_path, "Account ID,Name,NAME\nK1,A,B\n", mapping))


def test_an_empty_file_yields_no_rows(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, CLIENTS)
    assert result(mapping, csv_file(tmp_path, "", mapping)) == []
    assert result(mapping, csv_file(tmp_path, "Account ID,Name\n", mapping)) == []


def test_rows_of_many_batches_all_arrive_in_order(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, CLIENTS)
    batch = {"c0": ["a", "b"], "c1": ["", "x"], "_malformed": [False, False], "_row": [None, None]}
    batches = (pa.table({**batch, "_line": [n, n + 1]}, schema=batch_schema(2)) for n in (2, 4))
    found = result(mapping, TextRows(("Account ID", "Name"), batches))
    assert [(row["_line"], row["client_name"]) for row in found] == [(2, "a"), (3, "x"), (4, "a"), (5, "x")]


def test_a_constant_is_in_every_row(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, costs("Amount"))
    rows = csv_file(tmp_path, "Id,Project,Day,Amount\nc1,p,2025-01-01,1\nc2,p,2025-01-01,2\n", mapping)
    assert [row["currency"] for row in result(mapping, rows)] == ["USD", "USD"]


def test_a_value_map_ignores_case_and_spaces_lets_unknown_values_pass_and_leaves_empty_empty(
    tmp_path: Path,
) -> None:
    rule = "{ column: Native, values: { Creative: design, n/a: '' } }"
    native = ["Creative", " Creative ", "creative", "n/a", "", "Media"]
    assert converted(tmp_path, rule, "department", native) == ["design", "design", "design", "", "", "Media"]
    with_rest = "{ column: Native, values: { Creative: design, otherwise: other } }"
    assert converted(tmp_path, with_rest, "department", native) == ["design", "design", "design", "other", "", "other"]


def test_dates_are_read_in_their_format_only(tmp_path: Path) -> None:
    rule = "{ column: Native, date_format: dd/MM/yyyy }"
    native = ["31/12/2025", " 01/02/2025 ", "", "29/02/2025", "12/31/2025", "1/2/2025", "31/12/2025 10:00"]
    assert converted(tmp_path, rule, "cost_date", native) == [
        "2025-12-31", "2025-02-01", "", "29/02/2025", "12/31/2025", "1/2/2025", "31/12/2025 10:00"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value", "as_date", "as_timestamp"),
    [
        ("MM/dd/yyyy hh:mm:ss a", "05/01/2014 12:00:00 AM", "2014-05-01", "2014-05-01T00:00:00"),
        ("MM/dd/yyyy hh:mm:ss a", "05/01/2014 12:30:00 pm", "2014-05-01", "2014-05-01T12:30:00"),
        ("MM/dd/yyyy hh:mm:ss a", "05/01/2014 13:00:00 PM", None, None),
        ("d MMM yyyy", "3 Sep 2025", "2025-09-03", "2025-09-03T00:00:00"),
        ("MMMM d, yyyy", "May 3, 2025", "2025-05-03", "2025-05-03T00:00:00"),
        ("dd.MM.yy HH:mm", "31.12.25 23:59", "2025-12-31", "2025-12-31T23:59:00"),
        ("dd.MM.yy", "31.12.69", "1969-12-31", "1969-12-31T00:00:00"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2025-01-02T03:04:05.600+07:00", "2025-01-02", "2025-01-02T03:04:05.6+07:00"),
        ("yyyy-MM-ddTHH:mm:ssX", "2025-01-02T03:04:05Z", "2025-01-02", "2025-01-02T03:04:05+00:00"),
        ("%d/%m/%Y", "1/2/2025", "2025-02-01", "2025-02-01T00:00:00"),
        ("%m/%d/%Y %I:%M %p", "1/2/2025 1:05 PM", "2025-01-02", "2025-01-02T13:05:00"),
        ("%Y-%m-%d %H:%M:%S.%f%z", "2025-01-02 03:04:05.25-0330", "2025-01-02", "2025-01-02T03:04:05.25-03:30"),
        ("%Y%m%d", "20250230", None, None),
        ("yyyy-MM-dd HH:mm:ss", "2025-01-02 24:00:00", None, None),
        ("dd/MM/yyyy", "٠١/٠٢/٢٠٢٥", None, None),
    ],
)
def test_both_ways_of_writing_a_date_format_are_read(
    text: str, value: str, as_date: str | None, as_timestamp: str | None
) -> None:
    assert DateReader((date_format(text),)).read(value, timestamp=False) == as_date
    assert DateReader((date_format(text),)).read(value, timestamp=True) == as_timestamp


def test_updated_at_comes_out_as_an_iso_timestamp(tmp_path: Path) -> None:
    rule = "{ column: Native, date_format: 'dd/MM/yyyy HH:mm' }"
    assert converted(tmp_path, rule, "updated_at", ["31/12/2025 08:30", ""]) == ["2025-12-31T08:30:00", ""]


@pytest.mark.parametrize(
    ("decimal", "thousands", "scale", "value", "expected"),
    [
        (".", "", "1000", "0.1", "100"),
        (".", "", "0.01", "1", "0.01"),
        (".", "", "0.001", "1", "0.001"),
        (".", "", "1000000", "1234567890123456789012345678901234.123456", "1234567890123456789012345678901234123456"),
        (",", ".", "1", "1.234.567,89", "1234567.89"),
        (",", ".", "1", "-1.234", "-1234"),
        (",", ".", "1", "1234,5", "1234.5"),
        (",", ".", "1", "1.23", None),
        (".", ",", "1", "1,2,3", None),
        (".", ",", "1", "1,2345", None),
        (".", ",", "1", "1234,567", None),
        (".", ",", "1", ",123", None),
        (".", ",", "1", "1,234.5,6", None),
        (",", " ", "1", "1\u202f234,50", "1234.5"),
        (".", "", "1", "1.50", "1.5"),
        (".", "", "1", "1E+3", "1000"),
        (".", "", "1", "2e-7", "0.0000002"),
        (".", "", "-1", "0", "0"),
        (".", "", "1", ".5", "0.5"),
        (".", "", "1", "100", "100"),
        (".", "", "1", "NaN", None),
        (".", "", "1", "1_000", None),
        (".", "", "1", "9" * 200, None),
    ],
)
def test_numbers_are_read_exactly_or_not_at_all(
    tmp_path: Path, decimal: str, thousands: str, scale: str, value: str, expected: str | None
) -> None:
    rule = f"{{ column: Native, decimal: '{decimal}', scale: {scale}"
    rule += f", thousands: '{thousands}' }}" if thousands else " }"
    number = mapped(tmp_path, costs(rule)).columns["amount"].number_format
    assert isinstance(number, NumberFormat)
    assert number.read(value) == expected


def test_a_value_out_of_its_format_goes_on_as_it_came_but_never_as_a_value_that_it_is_not(tmp_path: Path) -> None:
    number = "{ column: Native, decimal: ',', thousands: '.' }"
    assert converted(tmp_path, number, "amount", ["1.5", "about 5", ""]) == [
        "1.5 (not in the mapping's format)", "about 5", ""
    ]  # fmt: skip
    day = "{ column: Native, date_format: yyyy-dd-MM }"
    assert converted(tmp_path, day, "cost_date", ["2025-31-12", "2025-12-31", "soon"]) == [
        "2025-12-31", "2025-12-31 (not in the mapping's format)", "soon"
    ]  # fmt: skip


# Expressions.


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


# The shipped mappings on the real files: read where they lie.


def real(name: str, mapping_name: str) -> list[dict[str, object]]:
    path = REAL / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    mapping = next(mapping for mapping in load_mappings(SHIPPED, None, ZONE) if mapping.name == mapping_name)
    assert mapping.takes(path.name)
    return result(mapping, read_csv(path, examine(path).encoding, mapping.native_columns))


def test_the_shipped_mappings_take_the_files_they_are_for() -> None:
    takes = {
        name: [mapping.name for mapping in load_mappings(SHIPPED, None, ZONE) if mapping.takes(name)]
        for name in ("nyc_capital_projects_20190901.csv", "in/salesforce_opportunity.csv", "Opportunity.csv", "x.csv")
    }
    assert takes == {
        "nyc_capital_projects_20190901.csv": ["nyc_clients", "nyc_project_costs", "nyc_projects", "nyc_staff"],
        "in/salesforce_opportunity.csv": ["salesforce_opportunities"],
        "Opportunity.csv": ["salesforce_opportunities"],
        "x.csv": [],
    }


def test_the_citys_reports_read_as_projects() -> None:
    rows = real("nyc_capital_projects_20190901.csv", "nyc_projects")
    assert len(rows) == 2259
    first = {key: value for key, value in rows[0].items() if not key.startswith("_")}
    assert first == {
        "project_id": "3",
        "client_id": "DEP",
        "owner_id": "DEP",
        "project_name": "26th Ward Waste Water Treatment Plant Preliminary Treatment Improvements",
        "start_date": "2013-09-23",
        "committed_due_date": "2019-04-19",  # 2020-01-14 less 270 days
        "delivered_date": "2020-01-14",
        "budget_amount": "187299603.37",  # 182980960 less -4318643.37
        "currency": "USD",
        "updated_at": "2014-05-01T00:00:00",
    }
    # What the file leaves blank stays blank: nothing failed, nothing was guessed.
    assert sum(not row["start_date"] for row in rows) == 164
    assert sum(not row["delivered_date"] for row in rows) == sum(not row["committed_due_date"] for row in rows) == 122
    assert sum(not row["budget_amount"] for row in rows) == 106
    assert not any(
        "(" in str(row[key]) for row in rows for key in ("committed_due_date", "budget_amount", "start_date")
    )


def test_the_citys_reports_read_as_costs_clients_and_staff() -> None:
    costs_of_city = real("nyc_capital_projects_20190901.csv", "nyc_project_costs")
    assert (costs_of_city[0]["amount"], costs_of_city[0]["cost_date"]) == ("182980960", "2020-01-14")
    clients = real("nyc_capital_projects_20190901.csv", "nyc_clients")
    assert all(row["client_id"] for row in clients)
    assert {"DEP, DOT", "DEP"} <= {str(row["client_id"]) for row in clients}
    staff = real("nyc_capital_projects_20190901.csv", "nyc_staff")
    assert len({row["staff_id"] for row in staff}) == 12
    assert {(row["role"], row["is_active"], row["valid_from"]) for row in staff} == {
        ("account_manager", "true", "1990-01-01")
    }


def test_salesforce_opportunities_read_as_proposals() -> None:
    rows = real("salesforce_opportunity.csv", "salesforce_opportunities")
    assert [row["outcome"] for row in rows] == ["won"] * 5 + ["lost"] * 4 + ["open"]
    # It was created on 19 December after 17:00 UTC, which is the next day in Vietnam. A close date has no time.
    assert (rows[0]["sent_date"], rows[0]["decided_date"]) == ("2018-12-20", "2018-12-19")
    assert rows[-1]["decided_date"] == ""
    assert (rows[0]["updated_at"], rows[2]["updated_at"]) == (
        "2019-04-04T18:47:01+00:00",
        "2018-12-18T18:20:30.829+00:00",
    )
    assert all(row["is_deleted"] == "true" for row in rows)


def test_salesforce_types_stages_and_unknown_types_read_as_the_mapping_says(tmp_path: Path) -> None:
    (mapping,) = [
        mapping for mapping in load_mappings(SHIPPED, None, ZONE) if mapping.name == "salesforce_opportunities"
    ]
    header = "id,account_id,owner_id,type,amount,created_date,close_date,stage_name,is_won,is_closed,is_deleted"
    rows = csv_file(
        tmp_path,
        f"{header},_fivetran_synced\n"
        "1,a,o,New Business,5,2025-01-01,2025-02-01,Closed Won,true,true,false,2025-03-01T00:00:00+07:00\n"
        "2,a,o,Existing Business,5,2025-01-01 10:00:00.5,2025-02-01,Client Withdrawn,false,true,false,2025-03-01\n"
        "3,a,o,Barter,5,2025-01-01,2025-02-01,Prospecting,,,false,\n",
        mapping,
    )
    found = [tuple(row[key] for key in ("kind", "outcome", "sent_date", "updated_at")) for row in result(mapping, rows)]
    assert found == [
        ("new_business", "won", "2025-01-01", "2025-03-01T00:00:00+07:00"),
        ("upsell", "withdrawn", "2025-01-01", "2025-03-01T00:00:00"),
        ("Barter", "", "2025-01-01", ""),
    ]


def test_another_comment_is_the_same_mapping_and_another_value_is_not() -> None:
    text = 'file: "*.csv"\nextract: clients\ncolumns:\n  client_id: Id\n  client_name: Name\n'
    digests = [
        from_text("crm", each, "crm.yml", ZONE).sha256 for each in (text, f"# ours\n{text}", text.replace("Id", "Key"))
    ]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]
    assert len(digests[0]) == 64


@pytest.mark.parametrize("key", ["name", "text", "sha256", "zone"])
def test_a_field_of_the_file_itself_is_no_key(key: str) -> None:
    text = f'{key}: x\nfile: "*.csv"\nextract: clients\ncolumns:\n  client_id: Id\n  client_name: Name\n'
    with pytest.raises(MappingError, match=key):
        from_text("crm", text, "crm.yml", ZONE)
