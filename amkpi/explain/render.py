"""An explanation on the screen, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from amkpi.core import terminal
from amkpi.core.catalogue import Kpi
from amkpi.core.language import formatting
from amkpi.core.language.names import plain
from amkpi.core.language.terms import STATUS
from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Translator
from amkpi.explain.arguments import period_key
from amkpi.explain.closing import AdjustmentRecord
from amkpi.explain.evidence import CountedRecord, ExcludedRecord, Explanation
from amkpi.explain.render_closing import closing_as_json, show_closing
from amkpi.explain.text import (
    change,
    credit,
    named,
    null_reason,
    numbers,
    parts,
    sentence,
    target_holder,
    target_rule,
    target_unit,
    undecided,
    why_excluded,
)

MOST_RECORDS = 60
MOST_NAMED = 8
CSV_COLUMNS = (
    "part", "kpi", "scope", "staff_id", "period", "event_date", "client_id", "client_name", "source_extract",
    "source_id", "credit_staff_id", "credit_name", "numerator", "denominator", "reason", "detail", "amount", "records",
    "first_day", "last_day", "days", "target_grain", "target_staff_id", "target_role", "valid_from", "target", "weight",
    "unit_days", "share",
)  # fmt: skip


def show(explanation: Explanation, form: str, language: Language) -> None:
    """Print an explanation. form: json, csv, or table for a screen."""
    if form == "json":
        terminal.print_json(as_json(explanation, language))
    elif form == "csv":
        print(as_csv(explanation), end="")
    else:
        _Screen(explanation, language).show()


def definition(kpi: Kpi) -> str:
    """The model that defines the KPI. Its catalogue entry is the .yml of the same name."""
    return f"dbt_project/models/kpis/kpi_{kpi.name}.sql"


def as_csv(explanation: Explanation) -> str:
    """The records, one for each line, then the spans of the target; `part` says which.

    It is counted, left_out, target, or adjustment_closed and adjustment_fresh: records that count on one side alone, as
    closed or today, whose `detail` is the first day of the period by which they were taken up.

    The counted records add up to the value, and the shares of the spans to the target. A private KPI is one line
    without client or source, as in kpi_evidence.
    """
    question = explanation.question
    head = (question.kpi.name, question.scope, question.staff_id, period_key(question.period))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)

    def add(part: str, cells: Sequence[Any]) -> None:
        row = [part, *head, *cells]
        writer.writerow(row + [None] * (len(CSV_COLUMNS) - len(row)))

    if question.kpi.private and explanation.value.sample_size:
        add("counted", [*[None] * 7, explanation.value.numerator])
    for record in explanation.counted:
        add("counted", [*_cells(record), record.numerator, record.denominator, None, None, None, 1])
    for left in explanation.excluded:
        add("left_out", [*_cells(left), None, None, left.reason, left.detail, left.amount, left.records])
    for span in explanation.target_spans:
        add("target", [*[None] * (CSV_COLUMNS.index("first_day") - 1 - len(head)), *asdict(span).values()])
    for moved in explanation.closing.records if explanation.closing else ():
        figures = (moved.numerator, moved.denominator, None, moved.carried_to, None, 1)
        add(f"adjustment_{moved.side}", [*_cells(moved), *figures])
    return buffer.getvalue()


def _cells(record: CountedRecord | ExcludedRecord | AdjustmentRecord) -> list[Any]:
    return [
        record.event_date, record.client_id, record.client_name, record.extract, record.source_id, record.staff_id,
        record.full_name,
    ]  # fmt: skip


def as_json(explanation: Explanation, language: Language) -> dict[str, Any]:
    """Everything, with numbers as the marts have them; texts in the language."""
    question, kpi = explanation.question, explanation.question.kpi
    return {
        "sentence": sentence(explanation, language),
        "kpi": kpi.name,
        "label": kpi.label[language],
        "scope": question.scope,
        "staff_id": question.staff_id,
        "full_name": explanation.full_name,
        "period": {
            "key": period_key(question.period),
            "grain": question.period.grain,
            "start": question.period.start.isoformat(),
            "end": question.period.end.isoformat(),
        },
        "unit": kpi.unit,
        **asdict(explanation.value),
        "null_reason_text": null_reason(explanation, language) or None,
        "formula": kpi.formula[language],
        "formula_with_numbers": numbers(explanation, language),
        "undecided_text": undecided(explanation, language) or None,
        "is_still_open": explanation.value.is_still_open,
        "target_spans": [_with_iso_dates(asdict(span)) for span in explanation.target_spans],
        "counted": [_record_as_json(record) for record in explanation.counted],
        "left_out": [
            {**_record_as_json(record), "reason_text": why_excluded(record.reason, language)}
            for record in explanation.excluded
        ],
        "held_back": [asdict(rows) for rows in explanation.quarantined],
        "closing": closing_as_json(explanation.closing) if explanation.closing else None,
        "definition": definition(kpi),
        "publication_id": explanation.publication_id,
        "as_of": explanation.as_of.isoformat(),
        "reporting_currency": explanation.currency,
    }


def _record_as_json(record: CountedRecord | ExcludedRecord) -> dict[str, Any]:
    return _with_iso_dates(asdict(record))


def _with_iso_dates(cells: dict[str, Any]) -> dict[str, Any]:
    return {name: cell.isoformat() if isinstance(cell, date) else cell for name, cell in cells.items()}


class _Screen:
    """An explanation as tables of a terminal."""

    def __init__(self, explanation: Explanation, language: Language) -> None:
        self._explanation = explanation
        self._language: Language = language
        self.t = Translator(language).t
        self._console: Console = terminal.out()

    def show(self) -> None:
        """Print the answer, the facts about the value, and the records."""
        t, explanation = self.t, self._explanation
        self._console.print(f"[bold]{escape(plain(sentence(explanation, self._language)))}[/]", soft_wrap=True)
        self._console.print(self._facts())
        if explanation.closing is not None:
            show_closing(explanation, explanation.closing, self._language, self._console)
        self._show_target_spans()
        self._show_counted()
        self._show_excluded()
        self._show_quarantined()
        kpi = explanation.question.kpi
        where = f"KPI {kpi.number} {kpi.name}, {definition(kpi)} (.yml)"
        self._console.print(f"[bold]{t('Definition')}[/]  {escape(where)}", soft_wrap=True)

    def _number(self, value: float) -> str:
        return formatting.number(value, 0, self._language)

    def _value(self, value: float) -> str:
        explanation = self._explanation
        return formatting.kpi_value(value, explanation.question.kpi.unit, explanation.currency, self._language)

    def _amounts(self, *amounts: float) -> list[str]:
        """Money of one row, in columns whose headings name the currency."""
        texts = parts(amounts, self._explanation, self._language)
        return [text.removesuffix(f" {self._explanation.currency}") for text in texts]

    def _facts(self) -> Padding:
        t, explanation, language = self.t, self._explanation, self._language
        kpi, value = explanation.question.kpi, explanation.value
        facts = Table.grid(padding=(0, 2))
        facts.add_column(style="dim", no_wrap=True)
        facts.add_column()
        facts.add_row(t("Formula"), escape(kpi.formula[language]))
        # The numbers behind a value are private too.
        if value.value is not None and not kpi.private:
            facts.add_row(t("In numbers"), escape(numbers(explanation, language)))
        if value.wilson_low is not None and value.wilson_high is not None:
            low, high = self._value(value.wilson_low), self._value(value.wilson_high)
            facts.add_row(t("Interval"), t("{low} to {high} (95%, Wilson)", low=low, high=high))
        if value.undecided:
            facts.add_row(t("Undecided"), escape(undecided(explanation, language)))
        facts.add_row(t("Target"), self._target())
        style = "" if not value.change else ("green" if (value.change > 0) == (kpi.better == "higher") else "red")
        changed = escape(change(explanation, language))
        facts.add_row(t("Change"), f"[{style}]{changed}[/]" if style else changed)
        facts.add_row(t("Credit"), escape(plain(credit(explanation, language))))
        facts.add_row(t("Period"), self._period())
        return Padding(facts, (1, 0, 1, 2), expand=False)

    def _period(self) -> str:
        t, explanation = self.t, self._explanation
        period = explanation.question.period
        first, last = formatting.day(period.start), formatting.day(period.end)
        if explanation.value.is_provisional:
            as_of = formatting.day(explanation.as_of)
            days = t("{first} to {last}, provisional: data to {as_of}", first=first, last=last, as_of=as_of)
            days = f"[yellow]{days}[/]"
        else:
            days = t("{first} to {last}", first=first, last=last)
        return f"{days} [dim]· {t('publication {id}', id=explanation.publication_id)}[/]"

    def _target(self) -> str:
        t, value, language = self.t, self._explanation.value, self._language
        texts = []
        if value.target is not None:
            texts.append(self._value(value.target))
        if value.attainment is not None:
            texts.append(t("attained {share}", share=f"{formatting.percent(value.attainment, 0, language)}%"))
        if value.weight is not None:
            weight = formatting.number(value.weight, 0 if value.weight == int(value.weight) else 2, language)
            texts.append(t("weight {weight}", weight=weight))
        status = "still_open" if value.is_still_open else value.status
        sign, style = terminal.STATUS_SIGNS[status]
        return " · ".join([*map(escape, texts), f"[{style}]{sign} {escape(t(STATUS[status]))}[/]"])

    def _table(self, *columns: tuple[str, str]) -> Table:
        """A table of (title, justify) columns: r is right, anything else left."""
        table = Table(box=box.SIMPLE_HEAD)
        for title, justify in columns:
            table.add_column(escape(title), justify="right" if justify == "r" else "left")
        return table

    def _show_target_spans(self) -> None:
        """The days that count, each span with the row in force and what it adds to the target."""
        t, explanation, language = self.t, self._explanation, self._language
        if not explanation.target_spans:
            return
        self._console.print(f"[bold]{t('How the target came about')}[/]  [dim]{target_rule(explanation, language)}[/]")
        table = self._table(
            (t("counted days"), "l"), (t("days"), "r"), (t("target of"), "l"), (t("for"), "l"), (t("target"), "r"),
            (t("weight"), "r"), (t("adds"), "r"),
        )  # fmt: skip
        pair = formatting.Formatter(language, explanation.currency).pair
        for span in explanation.target_spans:
            days = f"{formatting.day(span.first_day)} – {formatting.day(span.last_day)}"
            number = self._number(span.days) + (f"/{self._number(span.unit_days)}" if span.unit_days else "")
            if span.valid_from is None or span.target is None or span.weight is None:
                table.add_row(days, number, f"[dim]{t('no target row')}[/]")
                continue
            target, share = pair(span.target, span.share, explanation.question.kpi.unit)
            table.add_row(
                days,
                number,
                escape(plain(target_holder(span, explanation, language))),
                target_unit(span, explanation, language),
                target,
                formatting.number(span.weight, 0 if span.weight.is_integer() else 2, language),
                f"[dim]{t('nothing')}[/]" if span.share is None else share,
            )
        self._console.print(table)

    def _show_counted(self) -> None:
        t, explanation = self.t, self._explanation
        kpi, counted = explanation.question.kpi, explanation.counted
        if kpi.private:
            self._console.print(t("Reviews are counted without naming reviewers or departments.") + "\n")
            return
        if not counted:
            self._console.print(t("No record counts in this period.") + "\n")
            return
        self._console.print(f"[bold]{t('Records that count')}[/]  [dim]{self._number(len(counted))}[/]")
        table = self._table(
            (kpi.event_date[self._language], "l"), (t("client"), "l"), (t("record"), "l"),
            *self._columns_of_value(), (t("credit"), "l"),
        )  # fmt: skip
        for record in counted[:MOST_RECORDS]:
            table.add_row(
                formatting.day(record.event_date),
                escape(plain(record.client_name or "")),
                escape(plain(record.source_id or "")),
                *self._cells_of_value(record),
                escape(plain(record.full_name)) if record.full_name else f"[dim]{t('company alone')}[/]",
            )
        if len(counted) > MOST_RECORDS:
            rest = self._number(len(counted) - MOST_RECORDS)
            table.add_row("…", f"[dim]… {t('{n} more: --format csv has all', n=rest)}[/]")
        self._console.print(table)

    def _columns_of_value(self) -> Sequence[tuple[str, str]]:
        kpi, currency, language = self._explanation.question.kpi, self._explanation.currency, self._language
        if kpi.is_of_signings:
            return (self.t("event"), "l"), (f"{kpi.numerator[language]}, {currency}", "r")
        if kpi.is_of_amounts and not kpi.denominator:
            return ((f"{kpi.numerator[language]}, {currency}", "r"),)
        if kpi.is_of_amounts and kpi.denominator:
            names = (f"{name[language]}, {currency}" for name in (kpi.numerator, kpi.denominator))
            return (*((name, "r") for name in names), ("%", "r"))
        return ((kpi.numerator[language], "l"),)

    def _cells_of_value(self, record: CountedRecord) -> list[str]:
        kpi = self._explanation.question.kpi
        if kpi.is_of_signings:
            event = self.t("signed") if record.samples else self.t("cancelled")
            return [event, *self._amounts(record.numerator)]
        if kpi.is_of_amounts and not kpi.denominator:
            return self._amounts(record.numerator)
        if kpi.is_of_amounts:
            share = record.numerator / record.denominator if record.denominator else None
            shown = "" if share is None else f"{formatting.percent(share, 1, self._language)}%"
            style = "red" if share is not None and share > 1 else "default"
            return [*self._amounts(record.numerator, record.denominator or 0.0), f"[{style}]{shown}[/]"]
        return ["[green]✓[/]" if record.numerator else "[red]✗[/]"]

    def _show_excluded(self) -> None:
        t, explanation = self.t, self._explanation
        if not explanation.excluded:
            self._console.print(t("Nothing was left out.") + "\n")
            return
        self._console.print(f"[bold]{t('Left out, and why')}[/]")
        table = self._table((t("reason"), "l"), (t("count"), "r"), (t("which"), "l"))
        groups: dict[str, list[ExcludedRecord]] = {}
        for record in explanation.excluded:
            groups.setdefault(record.reason, []).append(record)
        for reason, records in groups.items():
            names = [plain(named(record)) for record in records if record.source_id]
            which = ", ".join(names[:MOST_NAMED])
            if len(names) > MOST_NAMED:
                which += f" … {t('{n} more: --format csv has all', n=self._number(len(names) - MOST_NAMED))}"
            amounts = [record.amount for record in records if record.amount is not None]
            if amounts:
                which = f"{formatting.money(sum(amounts), explanation.currency, self._language)}: {which}"
            count = self._number(sum(record.records for record in records))
            table.add_row(why_excluded(reason, self._language), count, escape(which))
        self._console.print(table)

    def _show_quarantined(self) -> None:
        t, explanation = self.t, self._explanation
        if not explanation.quarantined:
            extracts = ", ".join(explanation.question.kpi.reads)
            self._console.print(t("No row of {extracts} is held back.", extracts=extracts) + "\n")
            return
        self._console.print(f"[bold]{t('Held back now, of any period')}[/]")
        table = self._table((t("extract"), "l"), (t("reason"), "l"), (t("count"), "r"), (t("where"), "l"))
        for rows in explanation.quarantined:
            places = ", ".join(plain(place) for place in rows.places)
            more = " …" if rows.places and rows.rows > len(rows.places) else ""
            table.add_row(rows.extract, rows.reason, self._number(rows.rows), escape(places + more))
        self._console.print(table)
