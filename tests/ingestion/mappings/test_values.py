"""What the rules of a column make of native cells: constants, value maps, dates and numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from amkpi.ingestion.mappings.values.dates import DateReader, date_format
from amkpi.ingestion.mappings.values.numbers import NumberFormat
from tests.ingestion.mappings.cases import converted, costs, csv_file, mapped, result


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
