"""The part of an explanation that is about a closed period: what came later, and the records behind it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from amkpi.core.language import formatting
from amkpi.core.language.names import plain
from amkpi.core.language.periods import Period
from amkpi.core.language.terms import CAUSE
from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Translator
from amkpi.explain.arguments import period_key
from amkpi.explain.closing import Closing, Figures
from amkpi.explain.evidence import Explanation
from amkpi.explain.text import part, parts

MOST_RECORDS = 60


def closing_as_json(closing: Closing) -> dict[str, Any]:
    """The closing with dates as text; `carried` are the adjustments that were taken up, `open` is the other one."""
    content: dict[str, Any] = _as_text(asdict(closing))
    adjustments = content.pop("adjustments")
    content["carried"] = [each for each in adjustments if each["carried_to"] is not None]
    content["open"] = next((each for each in adjustments if each["carried_to"] is None), None)
    return content


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_text(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text(each) for each in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def causes(cause: str, language: Language) -> str:
    """The causes of an adjustment in words."""
    t = Translator(language).t
    return ", ".join(t(CAUSE[each]) if each in CAUSE else each for each in cause.split(",") if each)


def show_closing(explanation: Explanation, closing: Closing, language: Language, console: Console) -> None:
    """Print closed, taken up, open and fresh figures, and the records that count on one side alone."""
    t, grain = Translator(language).t, explanation.question.period.grain
    head = t(
        "Closed on {day} by {name}, as of {as_of}",
        day=formatting.day(closing.closed_at.date()), name=closing.closed_by, as_of=formatting.day(closing.as_of),
    )  # fmt: skip
    note = f"  [dim]{escape(plain(closing.note))}[/]" if closing.note else ""
    console.print(f"[bold]{escape(plain(head))}[/]{note}")
    if not closing.adjustments:
        console.print(t("Nothing came later that would change it.") + "\n")
        return
    kpi = explanation.question.kpi
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    names = [kpi.numerator[language], *([kpi.denominator[language]] if kpi.denominator else []), "n", t("value")]
    for name in names:
        table.add_column(escape(name), justify="right")
    table.add_column(t("cause"))

    def add(title: str, figures: Figures, sign: bool, cause: str = "") -> None:
        amounts = [each or 0.0 for each in (figures.numerator, *([figures.denominator] if kpi.denominator else []))]
        sizes = parts([abs(amount) for amount in amounts], explanation, language)
        cells = [_signed(amount, size, sign) for amount, size in zip(amounts, sizes, strict=True)]
        count = formatting.number(abs(figures.sample_size), 0, language)
        cells.append(_signed(figures.sample_size, count, sign))
        cells.append(formatting.kpi_value(figures.value, kpi.unit, explanation.currency, language))
        table.add_row(title, *map(escape, cells), cause)

    add(t("as closed"), closing.closed, sign=False)
    for each in closing.adjustments:
        when = None if each.carried_to is None else Period.holding(grain, each.carried_to)
        title = t("open") if when is None else t("taken up by {period}", period=period_key(when))
        figures = Figures(each.numerator, each.denominator, each.sample_size, each.fresh_value)
        add(title, figures, sign=True, cause=causes(each.cause, language))
    add(t("from all records of today"), closing.fresh or Figures(None, None, 0, None), sign=False)
    console.print(table)
    _show_records(explanation, closing, language, console)


def _signed(amount: float, size: str, always: bool) -> str:
    """A size with its sign; always: a plus too."""
    return f"−{size}" if amount < 0 else f"+{size}" if always and amount > 0 else size


def _show_records(explanation: Explanation, closing: Closing, language: Language, console: Console) -> None:
    t = Translator(language).t
    if not closing.records:
        return
    console.print(f"[bold]{t('Records that count on one side alone')}[/]")
    table = Table(box=box.SIMPLE_HEAD)
    for title in (t("side"), explanation.question.kpi.event_date[language], t("client"), t("record"), t("credit")):
        table.add_column(title)
    table.add_column(explanation.question.kpi.numerator[language], justify="right")
    for record in closing.records[:MOST_RECORDS]:
        table.add_row(
            t("as closed") if record.side == "closed" else t("from all records of today"),
            formatting.day(record.event_date),
            escape(plain(record.client_name or "")),
            escape(plain(record.source_id or "")),
            escape(plain(record.full_name or "")) or t("company alone"),
            escape(_signed(record.numerator, part(abs(record.numerator), explanation, language), always=False)),
        )
    if len(closing.records) > MOST_RECORDS:
        rest = formatting.number(len(closing.records) - MOST_RECORDS, 0, language)
        table.add_row("…", f"[dim]… {t('{n} more: --format csv has all', n=rest)}[/]")
    console.print(table)
