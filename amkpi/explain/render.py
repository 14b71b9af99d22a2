"""An explanation on the screen, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from amkpi.core import terminal
from amkpi.core.catalogue import Kpi, Language
from amkpi.core.language import formatting
from amkpi.core.language.i18n import plain
from amkpi.explain.evidence import PRIVATE, Counted, Explanation, LeftOut, period_key
from amkpi.explain.text import (
    EVENT_DATE,
    STATUS,
    brief,
    change,
    credit,
    is_of_money,
    named,
    null_reason,
    numbers,
    say,
    sentence,
    why_left_out,
)

MOST_RECORDS = 60
MOST_NAMED = 8
CSV_COLUMNS = (
    "part", "kpi", "scope", "staff_id", "period", "event_date", "client_id", "client_name", "source_extract",
    "source_id", "credit_staff_id", "credit_name", "numerator", "denominator", "reason", "detail", "amount", "records",
)  # fmt: skip


def show(told: Explanation, form: str, language: Language) -> None:
    """Print it as a table, CSV or JSON."""
    if form == "json":
        print(json.dumps(as_json(told, language), ensure_ascii=False, indent=2))
    elif form == "csv":
        print(as_csv(told), end="")
    else:
        _show_table(told, language)


def definition(kpi: Kpi) -> str:
    """The model that defines the KPI, below the project; its catalogue entry stands beside it as .yml."""
    return f"dbt_project/models/kpis/kpi_{kpi.name}.sql"


def as_csv(told: Explanation) -> str:
    """The records, one a line; `part` says counted or left_out. The counted ones add up to the value.

    The collaboration score is one line without client or source, as in kpi_evidence.
    """
    question = told.question
    head = (question.kpi.name, question.scope, question.staff_id, period_key(question.period))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    if question.kpi.name == PRIVATE and told.value.sample_size:
        writer.writerow(["counted", *head, *[None] * 7, told.value.numerator, None, None, None, None, None])
    for record in told.counted:
        parts = (record.numerator, record.denominator, None, None, None, 1)
        writer.writerow(["counted", *head, *_cells(record), *parts])
    for left in told.left_out:
        why = (None, None, left.reason, left.detail, left.amount, left.records)
        writer.writerow(["left_out", *head, *_cells(left), *why])
    return buffer.getvalue()


def _cells(record: Counted | LeftOut) -> list[Any]:
    return [
        record.event_date, record.client_id, record.client_name, record.extract, record.source_id, record.staff_id,
        record.full_name,
    ]  # fmt: skip


def as_json(told: Explanation, language: Language) -> dict[str, Any]:
    """Everything, with numbers as the marts have them; texts in the language."""
    question, kpi = told.question, told.question.kpi
    return {
        "sentence": sentence(told, language),
        "kpi": kpi.name,
        "label": kpi.label[language],
        "scope": question.scope,
        "staff_id": question.staff_id,
        "full_name": told.full_name,
        "period": {
            "key": period_key(question.period),
            "grain": question.period.grain,
            "start": question.period.start.isoformat(),
            "end": question.period.end.isoformat(),
        },
        "unit": kpi.unit,
        **asdict(told.value),
        "null_reason_text": null_reason(told, language) or None,
        "formula": kpi.formula[language],
        "formula_with_numbers": numbers(told, language),
        "counted": [_plain(record) for record in told.counted],
        "left_out": [
            {**_plain(record), "reason_text": why_left_out(record.reason, language)} for record in told.left_out
        ],
        "held_back": [asdict(held) for held in told.held],
        "definition": definition(kpi),
        "publication_id": told.publication_id,
        "as_of": told.as_of.isoformat(),
        "reporting_currency": told.currency,
    }


def _plain(record: Counted | LeftOut) -> dict[str, Any]:
    return {**asdict(record), "event_date": record.event_date.isoformat()}


def _show_table(told: Explanation, language: Language) -> None:
    screen = terminal.out()
    screen.print(f"[bold]{escape(plain(sentence(told, language)))}[/]", soft_wrap=True)
    screen.print(_facts(told, language))
    _show_counted(screen, told, language)
    _show_left_out(screen, told, language)
    _show_held(screen, told, language)
    kpi = told.question.kpi
    where = f"KPI {kpi.number} {kpi.name}, {definition(kpi)} (.yml)"
    screen.print(f"[bold]{say('definition', language)}[/]  {escape(where)}", soft_wrap=True)


def _facts(told: Explanation, language: Language) -> Padding:
    kpi, value, period = told.question.kpi, told.value, told.question.period
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()

    def add(name: str, text: str) -> None:
        facts.add_row(say(name, language), text)

    add("formula", escape(kpi.formula[language]))
    # A score has no numbers that may be shown beside the value.
    if value.value is not None and kpi.name != PRIVATE:
        add("numbers", escape(numbers(told, language)))
    if value.wilson_low is not None and value.wilson_high is not None:
        low, high = (formatting.kpi_value(bound, kpi.unit, told.currency, language)
                     for bound in (value.wilson_low, value.wilson_high))  # fmt: skip
        add("interval", say("wilson", language, low=low, high=high))
    add("target", _target(told, language))
    style = "" if not value.change else ("green" if (value.change > 0) == (kpi.better == "higher") else "red")
    moved = escape(change(told, language))
    add("change", f"[{style}]{moved}[/]" if style else moved)
    closing = "provisional" if value.is_provisional else "closed"
    add("credited", escape(plain(credit(told, language))))
    days = say(
        closing,
        language,
        first=formatting.day(period.start),
        last=formatting.day(period.end),
        as_of=formatting.day(told.as_of),
    )
    published = say("publication", language, id=told.publication_id)
    add("period", f"{'[yellow]' if value.is_provisional else '[default]'}{days}[/] [dim]· {published}[/]")
    return Padding(facts, (1, 0, 1, 2))


def _target(told: Explanation, language: Language) -> str:
    kpi, value = told.question.kpi, told.value
    style = terminal.STATUS[value.status][1]
    parts = []
    if value.target is not None:
        parts.append(formatting.kpi_value(value.target, kpi.unit, told.currency, language))
    if value.attainment is not None:
        parts.append(say("attained", language, share=f"{formatting.percent(value.attainment, 0, language)}%"))
    if value.weight is not None:
        weight = formatting.number(value.weight, 0 if value.weight == int(value.weight) else 2, language)
        parts.append(say("weight", language, weight=weight))
    return " · ".join([*map(escape, parts), f"[{style}]{escape(STATUS[value.status][language])}[/]"])


def _table(*columns: tuple[str, str]) -> Table:
    """A table of (title, justify) columns: r right, otherwise left."""
    table = Table(box=box.SIMPLE_HEAD)
    for title, justify in columns:
        table.add_column(escape(title), justify="right" if justify == "r" else "left")
    return table


def _show_counted(screen: Console, told: Explanation, language: Language) -> None:
    kpi = told.question.kpi
    if kpi.name == PRIVATE:
        screen.print(say("private", language) + "\n")
        return
    if not told.counted:
        screen.print(say("no_records", language) + "\n")
        return
    samples = f"{formatting.number(len(told.counted), 0, language)}"
    screen.print(f"[bold]{say('records', language)}[/]  [dim]{samples}[/]")
    ends: Sequence[tuple[str, str]]
    if kpi.unit == "money":
        ends = ((say("event", language), "l"), (f"{kpi.numerator[language]}, {told.currency}", "r"))
    elif is_of_money(told) and kpi.denominator:
        names = (f"{name[language]}, {told.currency}" for name in (kpi.numerator, kpi.denominator))
        ends = (*((name, "r") for name in names), ("%", "r"))
    else:
        ends = ((kpi.numerator[language], "l"),)
    table = _table(
        (EVENT_DATE[kpi.name][language], "l"), (say("client", language), "l"), (say("record", language), "l"),
        *ends, (say("credit", language), "l"),
    )  # fmt: skip
    for record in told.counted[:MOST_RECORDS]:
        table.add_row(
            formatting.day(record.event_date),
            escape(plain(record.client_name or "")),
            escape(plain(record.source_id or "")),
            *_ends(record, told, language),
            _credit(record.full_name, language),
        )
    if len(told.counted) > MOST_RECORDS:
        rest = formatting.number(len(told.counted) - MOST_RECORDS, 0, language)
        table.add_row("…", f"[dim]{say('more', language, n=rest)}[/]")
    screen.print(table)


def _ends(record: Counted, told: Explanation, language: Language) -> list[str]:
    kpi = told.question.kpi
    if kpi.unit == "money":
        event = say("signing" if record.samples else "cancellation", language)
        return [event, brief(record.numerator, told, language)]
    if is_of_money(told):
        share = record.numerator / record.denominator if record.denominator else None
        shown = "" if share is None else formatting.kpi_value(share, "ratio", told.currency, language)
        style = "red" if share is not None and share > 1 else "default"
        below = brief(record.denominator or 0.0, told, language)
        return [brief(record.numerator, told, language), below, f"[{style}]{shown}[/]"]
    return ["[green]✓[/]" if record.numerator else "[red]✗[/]"]


def _credit(full_name: str | None, language: Language) -> str:
    return escape(plain(full_name)) if full_name else f"[dim]{say('nobody', language)}[/]"


def _show_left_out(screen: Console, told: Explanation, language: Language) -> None:
    if not told.left_out:
        screen.print(say("none_left_out", language) + "\n")
        return
    screen.print(f"[bold]{say('left_out', language)}[/]")
    table = _table((say("reason", language), "l"), (say("count", language), "r"), (say("which", language), "l"))
    groups: dict[str, list[LeftOut]] = {}
    for record in told.left_out:
        groups.setdefault(record.reason, []).append(record)
    for reason, records in groups.items():
        names = [plain(named(record)) for record in records if record.source_id]
        which = ", ".join(names[:MOST_NAMED])
        if len(names) > MOST_NAMED:
            which += f" … {say('more', language, n=formatting.number(len(names) - MOST_NAMED, 0, language))[2:]}"
        amounts = [record.amount for record in records if record.amount is not None]
        if amounts:
            which = f"{formatting.money(sum(amounts), told.currency, language)}: {which}"
        count = formatting.number(sum(record.records for record in records), 0, language)
        table.add_row(why_left_out(reason, language), count, escape(which))
    screen.print(table)


def _show_held(screen: Console, told: Explanation, language: Language) -> None:
    if not told.held:
        extracts = ", ".join(told.question.kpi.reads)
        screen.print(say("none_held", language, extracts=extracts) + "\n")
        return
    screen.print(f"[bold]{say('held', language)}[/]")
    table = _table(
        (say("extract", language), "l"), (say("reason", language), "l"), (say("count", language), "r"),
        (say("places", language), "l"),
    )  # fmt: skip
    for held in told.held:
        places = ", ".join(plain(place) for place in held.places)
        more = " …" if held.places and held.rows > len(held.places) else ""
        table.add_row(held.extract, held.reason, formatting.number(held.rows, 0, language), escape(places + more))
    screen.print(table)
