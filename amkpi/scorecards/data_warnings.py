"""Warnings of the audit and of quarantine that touch one reader, in their language."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Set

from amkpi.core.language.i18n import Speech, plain
from amkpi.scorecards.facts import Broken, Facts, Held
from amkpi.scorecards.recipients import Recipient

MOST_WARNINGS = 5
MOST_PLACES = 3
# What moved in closed periods each reader is told value by value, of their own alone.
SAID_ELSEWHERE = frozenset({"closed_periods_stand_still"})
# Of single records: each touches those whom its rows name, or whose clients and records. The others touch everybody.
_OF_RECORDS = frozenset(
    {
        "amounts_are_like_the_clients_usual",
        "delivered_projects_have_a_budget",
        "delivered_projects_have_costs",
        "every_active_client_has_a_manager",
        "no_two_clients_share_a_name",
        "owners_are_account_staff",
    }
)


def caveats_for(facts: Facts, reader: Recipient, speech: Speech) -> tuple[str, ...]:
    """What this reader should know about the data behind their figures; at most five lines.

    A row in quarantine touches who, or whose people, it names, or whose client or project it is about; the company's
    readers all of them. So does what the audit says of single records, where it names them all; what it says of a whole
    extract touches everybody.
    """
    found: list[str] = []
    groups: dict[tuple[str, str], list[Held]] = defaultdict(list)
    people = reader.team | {reader.staff_id}
    projects = {r.source_id for r in facts.records if r.extract == "projects" and r.staff_id in people}
    for held in facts.held:
        if reader.company or _touches(facts, held, people, projects):
            groups[held.extract, held.reason].append(held)
    for (extract, reason), rows in sorted(groups.items(), key=lambda each: (-len(each[1]), each[0])):
        places = ", ".join(f"{plain(row.file_name)}:{row.line_number}" for row in rows[:MOST_PLACES])
        if len(rows) > MOST_PLACES:
            places += " …"
        found.append(
            speech.count(
                "{n} row of {extract} is held back and not counted: {reason} ({places})",
                "{n} rows of {extract} are held back and not counted: {reason} ({places})",
                len(rows),
                extract=_extract_word(speech, extract),
                reason=_reason_word(speech, reason),
                places=places,
            )
        )
    ids = people | projects | {r.client_id for r in facts.records if r.staff_id in people}
    ids |= {client for client, manager in facts.client_managers.items() if manager in people}
    words = finding_words(speech)
    unknown = speech.say("The audit warns about the data: the operator knows the details")
    found += sorted(
        {
            words.get(broken.expectation, unknown)
            for broken in facts.broken
            if broken.expectation not in SAID_ELSEWHERE and (reader.company or _concerns(broken, ids))
        }
    )
    if len(found) > MOST_WARNINGS:
        rest = len(found) - MOST_WARNINGS + 1
        found = [*found[: MOST_WARNINGS - 1], speech.count("{n} more warning", "{n} more warnings", rest)]
    return tuple(found)


def _touches(facts: Facts, held: Held, people: frozenset[str], projects: set[str | None]) -> bool:
    for column, key in held.ids:
        if column in ("owner_id", "staff_id", "account_manager_id") and key in people:
            return True
        if column == "client_id" and facts.client_managers.get(key) in people:
            return True
        if column == "project_id" and key in projects:
            return True
    return False


def _concerns(broken: Broken, ids: Set[str | None]) -> bool:
    """Whether what the audit found touches whoever has these people, clients and records."""
    if broken.expectation not in _OF_RECORDS or not broken.are_all:
        return True
    return any(word in ids for row in broken.rows for word in re.split(r"[\s,;]+", row))


def _extract_word(speech: Speech, extract: str) -> str:
    say = speech.say
    return {
        "clients": say("clients"),
        "proposals": say("proposals"),
        "contracts": say("contracts"),
        "projects": say("projects"),
        "project_costs": say("project costs"),
        "client_surveys": say("client surveys"),
        "peer_reviews": say("peer reviews"),
        "staff": say("staff"),
        "client_assignments": say("client assignments"),
        "kpi_targets": say("KPI targets"),
        "fx_rates": say("exchange rates"),
    }.get(extract, plain(extract))


def _reason_word(speech: Speech, reason: str) -> str:
    say = speech.say
    return {
        "malformed_row": say("wrong number of fields"),
        "missing_required": say("a required value is empty"),
        "bad_type": say("a value cannot be read"),
        "bad_enum": say("a value is none of those allowed"),
        "out_of_range": say("a value is out of range"),
        "bad_date_order": say("dates are in the wrong order"),
        "unknown_reference": say("it names something that was never delivered"),
        "missing_fx_rate": say("there is no exchange rate for its day"),
    }.get(reason, plain(reason))


def finding_words(speech: Speech) -> Mapping[str, str]:
    """What a reader is told of an expectation that was not met, by its name."""
    say = speech.say
    return {
        "hardly_any_rows_are_quarantined": say("An unusual share of an extract is held back: figures may still move"),
        "no_file_was_rejected_in_the_last_run": say("A delivered file could not be read and is not counted"),
        "every_family_was_delivered": say("A whole family of extracts was never delivered"),
        "every_extract_of_a_delivered_family_was_delivered": say("An extract was never delivered"),
        "no_family_has_gone_stale": say("A family of extracts has not come for long: newer work is not counted yet"),
        "loads_are_as_large_as_usual": say("A delivery was of an unusual size: figures may still move"),
        "rates_are_recent_when_used": say("Old exchange rates were used"),
        "amounts_are_like_the_clients_usual": say("An amount is far from what is usual for its client"),
        "records_are_of_this_age": say("A date lies so far back that its year must be wrong"),
        "delivered_projects_have_a_budget": say("Delivered projects without a budget are not in the cost ratio"),
        "delivered_projects_have_costs": say("Delivered projects without costs are not in the cost ratio"),
        "every_active_client_has_a_manager": say("An active client has no account manager: it counts for nobody"),
        "no_two_clients_share_a_name": say("Two clients share a name"),
        "owners_are_account_staff": say("Work belongs to people who are no account staff"),
        "no_clock_is_ahead": say("A source's clock is ahead: its rows count as of their load"),
    }
