"""What a mapping makes of native rows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from amkpi.ingestion.mappings.apply import apply
from amkpi.ingestion.readers import TextRows, Unreadable, batch_schema
from tests.ingestion.mappings.cases import CLIENTS, csv_file, mapped, result


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
