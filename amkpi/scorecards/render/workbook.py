"""The workbook of a mail: the records behind the values."""

from __future__ import annotations

import io

from amkpi.scorecards.model import Scorecard

# With the PDF and the bodies, a mail stays below 2 MB.
MOST_WORKBOOK_BYTES = 400_000
# No workbook of so many rows is small enough.
MOST_ROWS = 20_000


def workbook(card: Scorecard) -> bytes:
    """The records behind the values as XLSX. Every text is a string cell, so that none is read as a formula.

    Where there are too many, the first of them, and a last row that says so.
    """
    keep = min(len(card.evidence), MOST_ROWS)
    while True:
        made = _written(card, keep)
        if len(made) <= MOST_WORKBOOK_BYTES or not keep:
            return made
        keep = min(keep - 1, keep * MOST_WORKBOOK_BYTES // len(made))


def _written(card: Scorecard, keep: int) -> bytes:
    import xlsxwriter

    labels = card.labels
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    book.set_properties({"created": card.published_at.replace(tzinfo=None, microsecond=0), "title": card.subject})
    head, day = book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": "dd/mm/yyyy"})
    sheet = book.add_worksheet(labels["evidence"][:31])
    names = ("kpi", "person", "client_id", "client", "date", "extract", "record", "numerator", "denominator")
    for column, name in enumerate(names):
        sheet.write_string(0, column, labels[name], head)
    rows = card.evidence[:keep]
    for number, row in enumerate(rows, start=1):
        for column, cell in enumerate((row.kpi, row.person, row.client_id, row.client)):
            sheet.write_string(number, column, cell)
        if row.event_date is not None:
            sheet.write_datetime(number, 4, row.event_date, day)
        sheet.write_string(number, 5, row.extract)
        sheet.write_string(number, 6, row.source_id)
        for column, amount in ((7, row.numerator), (8, row.denominator)):
            if amount is not None:
                sheet.write_number(number, column, amount)
    if keep < len(card.evidence):
        sheet.write_string(keep + 1, 0, labels["more_records"], head)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(1, keep), len(names) - 1)
    for column, width in enumerate((32, 26, 12, 40, 12, 18, 14, 16, 16)):
        sheet.set_column(column, column, width)
    book.close()
    return out.getvalue()
