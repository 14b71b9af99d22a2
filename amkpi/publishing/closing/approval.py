"""Asking a person whether a period is to be closed: which one is due, what is shown, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.language import formatting
from amkpi.core.language.periods import Period
from amkpi.core.language.translator import Translator
from amkpi.core.publication_id import current_file
from amkpi.core.settings import Settings
from amkpi.core.storage import closing_register
from amkpi.core.storage.migrations.state_stores import CLOSING_REQUESTS
from amkpi.publishing.closing import acts

# How many warnings are named; the others are counted.
_NAMED = 10


@dataclass(frozen=True)
class Question:
    """What a person is asked. publication_id: only this publication is closed; body is Markdown."""

    period: str
    publication_id: str
    subject: str
    body: str


def due(home: Home, settings: Settings, today: date) -> Period | None:
    """The period that somebody should be asked about: over for long enough, not closed, not refused.

    After a closing of the grain, the next one. Before the first, the newest only: nobody is asked about past years.
    """
    days, grain = settings.closing.after_days, settings.closing.grain
    if days is None or current_file(home) is None:
        return None
    newest = Period.holding(grain, today).before()
    if newest.end + timedelta(days=days) > today:
        newest = newest.before()
    closed = [
        each.start for act in closing_register.read(home).in_force() for each in act.periods if each.grain == grain
    ]
    wanted = newest
    # From the newest back to the one after the last closing.
    while closed and wanted.before().start > max(closed):
        wanted = wanted.before()
    refused = _refused(home)
    while wanted.start <= newest.start:
        if wanted.start not in closed and (grain, wanted.start) not in refused:
            return wanted
        wanted = Period.holding(grain, wanted.end + timedelta(days=1))
    return None


def ask(home: Home, period: Period) -> Question:
    """The question about a period of the current publication: company and team scores, what is open, the warnings.

    Raises AmkpiError before the first publication, or where it has no row of the period.
    """
    seen = acts.current(home)
    of_period = [period.grain, period.start]
    with duckdb.connect(str(seen.file), read_only=True) as connection:
        scores = connection.execute(
            "select scope, coalesce(full_name, staff_id), weighted_score, rating from marts.scorecards as scores"
            " left join marts.dim_staff using (staff_id)"
            " where scope in ('company', 'team') and period_grain = ? and period_start = ?"
            " order by scope, weighted_score desc nulls last, 2",
            of_period,
        ).fetchall()
        open_proposals, proposals = connection.execute(
            "select coalesce(max(undecided), 0), coalesce(max(denominator), 0) from marts.kpi_values"
            " where kpi = 'contract_win_rate' and scope = 'company' and period_grain = ? and period_start = ?",
            of_period,
        ).fetchall()[0]
        warnings = connection.execute(
            "select expectation, observed from marts.quality_results where not success order by all"
        ).fetchall()
    if not scores:
        raise AmkpiError(f"{period.key} cannot be closed: the current publication has no row of it")
    subject = f"Close {period.key} as of {formatting.day(seen.as_of)}?"
    rows = [
        f"| {'company' if scope == 'company' else _cell(name)}"
        f" | {formatting.score(score, 'en', rating) if rating else '–'} | {rating or '–'} |"
        for scope, name, score, rating in scores
    ]
    shown = [f"- {_cell(name)}: {_cell(observed)}" for name, observed in warnings[:_NAMED]]
    if len(warnings) > _NAMED:
        shown.append(f"- and {len(warnings) - _NAMED} more: see `amkpi audit`")
    body = "\n".join(
        [
            f"Publication `{seen.publication_id}`. What is closed stays as it is; what comes later is shown as"
            " adjustments.",
            "",
            "| who | score | rating |",
            "|---|---|---|",
            *rows,
            "",
            what_is_open(open_proposals, int(proposals), seen.rows_held_back),
            "",
            *(["Warnings of the audit:", "", *shown] if shown else ["The audit has no warnings."]),
        ]
    )
    return Question(period.key, seen.publication_id, subject, body)


def what_is_open(undecided: int, proposals: int, held_back: int) -> str:
    """The line of the question that counts proposals without an outcome, and rows in quarantine."""
    n = Translator("en").n
    still_open = n(
        "{undecided} of {n} proposal is still open", "{undecided} of {n} proposals are still open", proposals,
        undecided=undecided,
    )  # fmt: skip
    return f"{still_open}; {n('{n} row is in quarantine', '{n} rows are in quarantine', held_back)}."


def refuse(home: Home, period: str, by: str, moment: datetime) -> None:
    """Remember that somebody refused to close a period: nobody is asked about it again."""
    refused = acts.closable(period)
    with CLOSING_REQUESTS.open(home.state) as store:
        store.execute(
            "insert or replace into refused (grain, start, by, at) values (?, ?, ?, ?)",
            [refused.grain, refused.start.isoformat(), by, moment.isoformat()],
        )


def _refused(home: Home) -> set[tuple[str, date]]:
    def refused(grain: str, start: str) -> tuple[str, date]:
        return grain, date.fromisoformat(start)

    return set(CLOSING_REQUESTS.read(home.state, "select grain, start from refused", refused))


def _cell(text: str) -> str:
    """Text that stays within its cell or line of Markdown."""
    return " ".join(str(text).replace("|", "\\|").split())
