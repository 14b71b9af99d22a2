"""JSON of other systems: rows within a document, and keys within objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amkpi.ingestion.readers import CANONICAL, Layout, decompression
from tests.ingestion.readers.test_layouts import NATIVE, opened, refusal
from tests.ingestion.readers.test_readers import listed

DEALS: dict[str, Any] = {
    "paging": {"next": {"after": 'a "quoted" \\ ] }'}, "sizes": [1, [2, 3], {"x": "]"}]},
    "total": 2,
    "data": {
        "is_last": True,
        "results": [{"id": "1", "properties": {"dealname": "A", "amount": 100}}, {"id": "2", "properties": None}],
        "more": None,
    },
    "end": "é",
}
RECORDS = Layout(records=("data", "results"), native=True)


@pytest.mark.parametrize("chunk", [1, 3, 7, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_rows_within_a_document_are_read_whatever_is_around_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None
) -> None:
    monkeypatch.setattr(decompression, "CHUNK", chunk)
    rows = opened(tmp_path, "a.json", json.dumps(DEALS, indent=indent), RECORDS)
    assert rows.header == ("id", "properties", "properties.dealname", "properties.amount")
    assert [(line, fields[:1] + fields[2:]) for line, fields in listed(rows)] == [
        (1, ["1", "A", "100"]),
        (2, ["2", None, None]),
    ]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (("rows",), "lacks the key rows; it has: paging, total, data, end"),
        (("data", "rows"), "data lacks the key rows; it has: is_last, results, more"),
        (("total",), "total is no list"),
        (("total", "rows"), "total is no object"),
        (("data",), "data is no list"),
    ],
)
def test_records_that_lead_nowhere_are_told_with_what_is_there(
    tmp_path: Path, records: tuple[str, ...], message: str
) -> None:
    assert message in refusal(tmp_path, "a.json", json.dumps(DEALS), Layout(records=records, native=True))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"results": [{"id": "1"}], "results": []}', "the key results twice"),
        ('{"results": [{"id": "1"}]', "the end"),
        ('{"results": [{"id": "1"}]} x', "text after the array"),
        ('{"a": "x', "cut off"),
        ('{"a": [1, {"b": 2', "cut off"),
        ('{"a"', "without a value"),
        ("{1: 2}", "not readable as JSON"),
        ('{"results": [{"a.b": 1, "a": {"b": 2}}]}', "row 1 has the key a.b twice"),
    ],
)
def test_a_document_that_is_broken_is_refused(tmp_path: Path, content: str, message: str) -> None:
    assert message in refusal(tmp_path, "a.json", content, Layout(records=("results",), native=True))


def test_a_document_without_records_is_refused_with_the_key_that_has_them(tmp_path: Path) -> None:
    assert "such as records: results" in refusal(tmp_path, "a.json", '{"x": {}, "results": []}')
    assert ".ndjson" in refusal(tmp_path, "a.json", '{"x": []}\n{"x": []}\n')
    layout = Layout(records=("x",), native=True)
    assert "records" in refusal(tmp_path, "a.json", "[]", layout)
    assert "records" in refusal(tmp_path, "a.ndjson", '{"x": []}', layout)


def test_the_kinds_of_json_values_go_with_their_texts(tmp_path: Path) -> None:
    content = '[{"id": "12.5", "amount": 12.50, "ok": true, "list": [1], "none": null}, 5]'
    (batch,) = opened(tmp_path, "a.json", content).batches
    assert batch.column("_kinds").to_pylist() == ["tnbtt", None]
    assert batch.column("c1").to_pylist() == ["12.50", None]


def test_a_canonical_file_keeps_nested_objects_as_they_are(tmp_path: Path) -> None:
    assert opened(tmp_path, "a.json", '[{"id": {"x": 1}}]', CANONICAL).header == ("id",)
    assert opened(tmp_path, "a.json", '[{"id": {"x": {"y": 1}}}]', NATIVE).header == ("id", "id.x", "id.x.y")


def test_json_rows_are_filled_down_too(tmp_path: Path) -> None:
    rows = opened(tmp_path, "a.json", '[{"id": 1, "x": 1}, {"id": null, "x": 2}, 5]', Layout(fill_down=("id",)))
    assert listed(rows) == [(1, ["1", "1"]), (2, ["1", "2"]), (3, '["5", null, null]')]
