"""What a mapping file may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from amkpi.core.paths import SHIPPED_MAPPINGS as SHIPPED
from amkpi.ingestion.mappings.apply import unused_columns
from amkpi.ingestion.mappings.files import MappingError, from_text, load_mappings
from tests.ingestion.mappings.cases import CLIENTS, ZONE, converted, costs, mapped, refusal


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
