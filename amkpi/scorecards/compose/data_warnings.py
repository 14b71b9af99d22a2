"""Warnings of the audit, and rows in quarantine, that concern one reader."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass

from amkpi.core.language.names import plain, shortened
from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Message, Translator
from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.facts import FailedExpectation, QuarantineEntry

MOST_WARNINGS = 5
MOST_PLACES = 3
# The section of changes names each changed value to the readers who were sent it.
REPORTED_ELSEWHERE = frozenset({"closed_periods_stand_still", "closed_scorecards_stand_still"})
# Expectations about single records: a reader gets the warning if a failing row names them, their client or their
# record. Warnings of all other expectations go to everybody.
_ABOUT_RECORDS = frozenset(
    {
        "amounts_are_like_the_clients_usual",
        "cost_ratios_are_plausible",
        "delivered_projects_have_a_budget",
        "delivered_projects_have_costs",
        "every_active_client_has_a_manager",
        "no_two_clients_share_a_name",
        "owners_are_account_staff",
    }
)
# What a mail says about an expectation that failed with a warning.
EXPECTATIONS: Mapping[str, Message] = {
    "hardly_any_rows_are_quarantined": Message("An unusual share of an extract is held back: figures may still move"),
    "no_file_was_rejected_in_the_last_run": Message("A delivered file could not be read and is not counted"),
    "every_family_was_delivered": Message("A whole family of extracts was never delivered"),
    "every_extract_of_a_delivered_family_was_delivered": Message("An extract was never delivered"),
    "no_family_has_gone_stale": Message("A family of extracts has not come for long: newer work is not counted yet"),
    "loads_are_as_large_as_usual": Message("A delivery was of an unusual size: figures may still move"),
    "rates_are_recent_when_used": Message("Old exchange rates were used"),
    "amounts_are_like_the_clients_usual": Message("An amount is far from what is usual for its client"),
    "records_are_of_this_age": Message("A date lies so far back that its year must be wrong"),
    "cost_ratios_are_plausible": Message("A project cost less than nothing, or more than three times its budget"),
    "delivered_projects_have_a_budget": Message("Delivered projects without a budget are not in the cost ratio"),
    "delivered_projects_have_costs": Message("Delivered projects without costs are not in the cost ratio"),
    "every_active_client_has_a_manager": Message("An active client has no account manager: it counts for nobody"),
    "no_two_clients_share_a_name": Message("Two clients share a name"),
    "a_company_of_one_has_no_manager": Message("The staff extract says that its only person manages themselves"),
    "owners_are_account_staff": Message("Work belongs to people who are no account staff"),
    "no_clock_is_ahead": Message("A source's clock is ahead: its rows count as of their load"),
}
_OTHER_EXPECTATION = Message("The audit warns about the data: the operator knows the details")
_EXTRACTS = {
    "clients": Message("clients"),
    "proposals": Message("proposals"),
    "contracts": Message("contracts"),
    "projects": Message("projects"),
    "project_costs": Message("project costs"),
    "client_surveys": Message("client surveys"),
    "peer_reviews": Message("peer reviews"),
    "staff": Message("staff"),
    "client_assignments": Message("client assignments"),
    "kpi_targets": Message("KPI targets"),
    "fx_rates": Message("exchange rates"),
}
_REASONS = {
    "malformed_row": Message("wrong number of fields"),
    "missing_required": Message("a required value is empty"),
    "bad_type": Message("a value cannot be read"),
    "bad_enum": Message("a value is none of those allowed"),
    "out_of_range": Message("a value is out of range"),
    "bad_date_order": Message("dates are in the wrong order"),
    "unknown_reference": Message("it names something that was never delivered"),
    "missing_fx_rate": Message("there is no exchange rate for its day"),
}


def extract_name(extract: str, language: Language) -> str:
    """An extract in words."""
    return Translator(language).t(_EXTRACTS[extract]) if extract in _EXTRACTS else plain(extract)


def reason_name(reason: str, language: Language) -> str:
    """Why a row is in quarantine, in words."""
    return Translator(language).t(_REASONS[reason]) if reason in _REASONS else plain(reason)


@dataclass(frozen=True)
class DataWarning:
    """A line about the data. count: the number in it, None for none. places: the files and lines in it."""

    text: str
    count: int | None = None
    places: str = ""


def data_warnings(context: ReaderContext) -> tuple[DataWarning, ...]:
    """What this reader should know about the data behind their figures; at most five lines.

    A row in quarantine concerns the people whom it names, and those who manage its client or own its project. Readers
    of the company's scorecard get all warnings.
    """
    found = [*_quarantined(context), *_failed_expectations(context)]
    if len(found) > MOST_WARNINGS:
        rest = len(found) - MOST_WARNINGS + 1
        more = DataWarning(context.n("{n} more warning", "{n} more warnings", rest), rest)
        found = [*found[: MOST_WARNINGS - 1], more]
    return tuple(found)


def _people(context: ReaderContext) -> frozenset[str]:
    return context.recipient.team | {context.recipient.staff_id}


def _projects(context: ReaderContext) -> set[str]:
    return {
        record.source_id
        for record in context.facts.records.of_people(_people(context))
        if record.extract == "projects" and record.source_id
    }


def _quarantined(context: ReaderContext) -> list[DataWarning]:
    """A line for each extract and reason, those with the most rows first."""
    facts, is_of_company = context.facts, context.recipient.company
    projects: set[str] = set() if is_of_company or not facts.quarantined else _projects(context)
    people = _people(context)
    groups: dict[tuple[str, str], list[QuarantineEntry]] = defaultdict(list)
    for row in context.facts.quarantined:
        if is_of_company or _row_concerns(context, row, people, projects):
            groups[row.extract, row.reason].append(row)
    lines = []
    for (extract, reason), rows in sorted(groups.items(), key=lambda each: (-len(each[1]), each[0])):
        places = ", ".join(f"{shortened(row.file_name)}:{row.line_number}" for row in rows[:MOST_PLACES])
        if len(rows) > MOST_PLACES:
            places += " …"
        text = context.n(
            "{n} row of {extract} is held back and not counted: {reason} ({places})",
            "{n} rows of {extract} are held back and not counted: {reason} ({places})",
            len(rows),
            extract=_EXTRACTS.get(extract, plain(extract)),
            reason=_REASONS.get(reason, plain(reason)),
            places=places,
        )
        lines.append(DataWarning(text, len(rows), places))
    return lines


def _failed_expectations(context: ReaderContext) -> list[DataWarning]:
    told = [failed for failed in context.facts.failed if failed.expectation not in REPORTED_ELSEWHERE]
    if not context.recipient.company:
        ids = _ids(context) if any(map(_is_of_known_records, told)) else set()
        told = [failed for failed in told if _expectation_concerns(failed, ids)]
    texts = {context.t(EXPECTATIONS.get(failed.expectation, _OTHER_EXPECTATION)) for failed in told}
    return [DataWarning(text) for text in sorted(texts)]


def _ids(context: ReaderContext) -> set[str | None]:
    """The people, projects and clients that concern the reader."""
    people = _people(context)
    return {
        *people,
        *_projects(context),
        *(record.client_id for record in context.facts.records.of_people(people)),
        *(client for client, manager in context.facts.client_managers.items() if manager in people),
    }


def _row_concerns(context: ReaderContext, row: QuarantineEntry, people: Set[str], projects: Set[str]) -> bool:
    return any(
        (column in ("owner_id", "staff_id", "account_manager_id") and key in people)
        or (column == "client_id" and context.facts.client_managers.get(key) in people)
        or (column == "project_id" and key in projects)
        for column, key in row.ids
    )


def _is_of_known_records(failed: FailedExpectation) -> bool:
    """Whether an expectation is about single records, and all that fail it are known."""
    return failed.expectation in _ABOUT_RECORDS and failed.are_all


def _expectation_concerns(failed: FailedExpectation, ids: Set[str | None]) -> bool:
    """Whether the failing rows name one of these people, clients and records, or may name one."""
    if not _is_of_known_records(failed):
        return True
    return any(word in ids for row in failed.rows for word in re.split(r"[\s,;]+", row))
