"""What the command line prints: steps while they run, findings, the KPIs of a publication."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, Protocol

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from amkpi.core.catalogue import kpis
from amkpi.core.findings import Finding
from amkpi.core.language import formatting
from amkpi.core.language.formatting import Formatter
from amkpi.core.language.terms import STATUS
from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Translator
from amkpi.core.run import Run
from amkpi.core.terminal import STATUS_SIGNS, out
from amkpi.core.undecided import shown_status
from amkpi.publishing.reader import published

RATING_STYLE = {"A+": "bold green", "A": "green", "B": "cyan", "C": "yellow", "D": "red"}
LANGUAGE: Language = "en"


class Result(Protocol):
    """Sets the counts of a step's line. failed: the step has ended, but not as it should; the line has a ✗."""

    def __call__(self, text: str, *, failed: bool = False) -> None: ...


@contextmanager
def step(name: str) -> Iterator[tuple[Callable[[str], None], Result]]:
    """Show a step while it works and a line with its seconds when it is done.

    Gives (progress, result): progress shows what is going on now, result sets the line's counts.
    """
    console = out()
    started = time.monotonic()
    summary, sign = "", "[green]✓[/]"

    def result(text: str, *, failed: bool = False) -> None:
        nonlocal summary, sign
        summary, sign = text, "[red]✗[/]" if failed else sign

    with console.status(f"[bold]{name}[/]") as status:

        def progress(line: str) -> None:
            status.update(f"[bold]{name}[/]  [dim]{escape(line)}[/]")

        try:
            yield progress, result
        except BaseException:
            console.print(f"[red]✗[/] {name:<9} [dim]{time.monotonic() - started:6.1f} s[/]")
            raise
    console.print(f"{sign} {name:<9} [dim]{time.monotonic() - started:6.1f} s[/]  {escape(summary)}")


def show_findings(findings: Sequence[Finding]) -> None:
    """Print each finding with its advice."""
    console = out()
    for finding in findings:
        sign, style = ("✗", "red") if finding.blocks else ("!", "yellow")
        console.print(
            f"  [{style}]{sign} {escape(finding.suite)}: {escape(finding.expectation)}[/] {escape(finding.observed)}"
        )
        since = f"Since {finding.since:%d/%m/%Y %H:%M}. " if finding.since else ""
        console.print(f"    [dim]{escape(since + finding.advice)}[/]")


def show_publication(run: Run) -> None:
    """The company's KPIs of the newest month and the last complete one, and its scorecards. Raises AmkpiError."""
    console = out()
    with published(run.home, run.settings) as connection:
        identity, as_of, currency = connection.execute(
            "select publication_id, as_of, reporting_currency from publication"
        ).fetchall()[0]
        months = connection.execute(
            "select distinct period_start, period_end, is_provisional from scorecards"
            " where scope = 'company' and period_grain = 'month' order by period_start desc limit 2"
        ).fetchall()
        if not months:
            console.print(
                f"Publication {identity} as of {formatting.day(as_of)} has no rows: nothing was delivered yet."
            )
            return
        lines = [
            connection.execute(
                """
                select v.kpi, v.value, v.sample_size, v.unit, l.target, l.attainment, l.status,
                    v.numerator, v.denominator, coalesce(v.undecided, 0)
                from kpi_values as v
                inner join scorecard_lines as l using (kpi, scope, period_grain, period_start)
                where v.scope = 'company' and l.staff_id is null and period_grain = 'month' and period_start = ?
                """,
                [start],
            ).fetchall()
            for start, _, _ in months
        ]
        complete = months[-1]
        people = connection.execute(
            """
            select coalesce(d.full_name, s.staff_id), coalesce(d.role, ''), s.weighted_score, s.rating, s.kpis_scored,
                t.weighted_score, t.rating
            from scorecards as s
            left join dim_staff as d using (staff_id)
            left join scorecards as t
                on t.staff_id = s.staff_id and t.scope = 'team' and t.period_grain = s.period_grain
                and t.period_start = s.period_start
            where s.scope = 'own' and s.period_grain = 'month' and s.period_start = ?
            order by s.rating is null, s.weighted_score desc nulls last, 1
            """,
            [complete[0]],
        ).fetchall()
    console.print()
    console.print(
        f"[bold]Company[/]  [dim]money in {currency}; publication {identity}, as of {formatting.day(as_of)}[/]",
        soft_wrap=True,
    )
    _show_company(console, months, lines, as_of)
    if people:
        console.print(f"[bold]People[/]  [dim]{formatting.period('month', complete[0], complete[1], LANGUAGE)}[/]")
        _show_people(console, people)


def _month_title(month: tuple[date, date, bool], as_of: date) -> str:
    start, _, provisional = month
    name = formatting.short_month(start, LANGUAGE)
    return f"{name}\n[dim]to {formatting.day(as_of)}[/]" if provisional else f"{name}\n[dim]complete[/]"


def _show_company(console: Console, months: list[tuple[date, date, bool]], lines: list[list[Any]], as_of: date) -> None:
    newest, before = {line[0]: line for line in lines[0]}, {line[0]: line for line in lines[-1]}
    # Narrow: in 80 columns every figure is complete, and only the name of a KPI may need a second line.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("KPI")
    if len(months) == 2:
        table.add_column(_month_title(months[1], as_of), justify="right", no_wrap=True)
    table.add_column(_month_title(months[0], as_of), justify="right", no_wrap=True)
    for name, justify in (("n", "right"), ("target", "right"), ("attained", "right"), ("status", "left")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for kpi in kpis():
        _, value, sample, unit, target, attainment, status, numerator, denominator, undecided = newest[kpi.name]
        status = shown_status(status, numerator, denominator, undecided, target)
        sign, style = STATUS_SIGNS[status]
        earlier = [before[kpi.name][1]] if len(months) == 2 else []
        *of_before, actual, wanted = Formatter(LANGUAGE, "").in_one_unit((*earlier, value, target), unit)
        table.add_row(
            kpi.label[LANGUAGE],
            *(f"[dim]{text}[/]" for text in of_before),
            actual,
            str(sample),
            wanted,
            "" if attainment is None else f"{formatting.percent(attainment, 0, LANGUAGE)}%",
            f"[{style}]{sign} {Translator(LANGUAGE).t(STATUS[status])}[/]",
        )
    console.print(table)


def _show_people(console: Console, people: list[Any], most: int = 12) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name, justify in (("name", "left"), ("role", "left"), ("score", "right"), ("rating", "left"),
                          ("KPIs", "right"), ("team score", "right"), ("team", "left")):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    shown = people if len(people) <= most else [*people[: most // 2], None, *people[-(most // 2) :]]
    for row in shown:
        if row is None:
            table.add_row(f"[dim]… {len(people) - most} more[/]")
            continue
        name, role, score, rating, scored, team_score, team_rating = row
        table.add_row(
            escape(name),
            escape(role.replace("_", " ")),
            _score(score, rating),
            _rating(rating),
            f"{scored}/8",
            _score(team_score, team_rating),
            _rating(team_rating) if team_score is not None else "",
        )
    console.print(table)


def _score(score: float | None, rating: str | None) -> str:
    """A score that is rated: of another one too little is known."""
    return "" if score is None or rating is None else formatting.score(score, LANGUAGE, rating)


def _rating(rating: str | None) -> str:
    return f"[{RATING_STYLE.get(rating, 'bold')}]{escape(rating)}[/]" if rating else "[dim]not rated[/]"
