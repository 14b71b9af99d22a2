"""What happened to the mail of each reader."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from amkpi.core.language import formatting
from amkpi.core.language.translator import Message, Translator

MailOutcome = Literal[
    "written", "sent", "sent_before", "deferred", "refused", "uncertain", "unreachable", "no_scorecard", "unsubscribed"
]
# The outcomes that the operator must look at.
PROBLEMS: tuple[MailOutcome, ...] = ("uncertain", "refused", "deferred", "unreachable")

# Those after which somebody may be without a mail that the server was asked to take.
UNDELIVERED: tuple[MailOutcome, ...] = ("deferred", "uncertain", "refused")


@dataclass(frozen=True)
class MailResult:
    """The outcome for one person. detail: the server's answer as it is, or a text of ours."""

    staff_id: str
    outcome: MailOutcome
    detail: str | Message


@dataclass(frozen=True)
class DeliveryReport:
    """The outcomes for all readers. held: why nothing was sent to anybody, in English for logs; empty otherwise."""

    grain: str
    period: str
    publication_id: str
    results: tuple[MailResult, ...]
    held: str = ""

    def count(self, *outcomes: MailOutcome) -> int:
        """How many people had one of these outcomes."""
        return sum(result.outcome in outcomes for result in self.results)

    @property
    def undelivered(self) -> int:
        """How many people may be without the mail that is theirs: deferred, uncertain or refused."""
        return self.count(*UNDELIVERED)

    @property
    def problems(self) -> tuple[MailResult, ...]:
        """The results that the operator must look at."""
        return tuple(result for result in self.results if result.outcome in PROBLEMS)


def server_answer(answer: str, address: str = "") -> str:
    """A server's answer as it is, after the address that it is about."""
    return f"{address}: {answer}" if address else answer


def ask_and_resend(answer: str, address: str, staff_id: str) -> Message:
    """What to do about a reader who may or may not have the mail."""
    return Message(
        "{answer}; ask {address}, and send again by hand with --resend {id}",
        answer=answer,
        address=address,
        id=staff_id,
    )


def too_old(published: date, today: date, command: str) -> str:
    """Nothing is sent: the publication is too old. command: makes a new one."""
    days = Translator("en").n("{n} day", "{n} days", (today - published).days)
    return (
        f"the publication is of {formatting.day(published)}, {days} before {formatting.day(today)}:"
        f" run `{command}` and see why there is no newer one"
    )


def not_yet(published: date, due: date) -> str:
    """Nothing is sent: the publication is of a date before the scorecards were due."""
    return (
        f"the publication is of {formatting.day(published)}, and these scorecards were due on {formatting.day(due)}:"
        " they wait for a newer publication"
    )


def blocked(as_of: date, findings: str, page: str) -> str:
    """Nothing is sent: the audit blocked a newer publication."""
    return f"the audit as of {formatting.day(as_of)} blocked a newer publication: {findings} (see {page})"
