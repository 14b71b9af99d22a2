"""What became of everybody's scorecard, and how the operator is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from amkpi.core.language import formatting
from amkpi.core.language.i18n import Said, Speech, plain, say_later

Fate = Literal["written", "sent", "sent_before", "deferred", "refused", "uncertain", "unreachable", "no_scorecard"]
# What the operator must know of; the rest went as it should.
TROUBLE: tuple[Fate, ...] = ("uncertain", "refused", "deferred", "unreachable")


@dataclass(frozen=True)
class Outcome:
    """What became of one person's scorecard."""

    staff_id: str
    fate: Fate
    what: Said


@dataclass(frozen=True)
class Report:
    """What became of everybody's. held: why nobody was sent anything, as logs say it; empty when nothing was held."""

    grain: str
    period: str
    publication_id: str
    outcomes: tuple[Outcome, ...]
    held: str = ""

    def count(self, *fates: Fate) -> int:
        """How many people met one of these fates."""
        return sum(outcome.fate in fates for outcome in self.outcomes)

    @property
    def trouble(self) -> tuple[Outcome, ...]:
        """Whom the operator must look after."""
        return tuple(outcome for outcome in self.outcomes if outcome.fate in TROUBLE)


def answered(answer: str, address: str = "") -> Said:
    """What a server or a network said, as it said it."""
    return (
        say_later("{address}: {answer}", address=address, answer=answer)
        if address
        else say_later("{answer}", answer=answer)
    )


def ask_and_resend(answer: str, address: str, staff_id: str) -> Said:
    """What is to be done about somebody who may have got a mail, or not."""
    return say_later(
        "{answer}; ask {address}, and send again by hand with --resend {id}",
        answer=answer, address=address, id=staff_id,
    )  # fmt: skip


def too_old(published: date, today: date) -> str:
    """The publication lies too far back."""
    days = (today - published).days
    return (
        f"the publication is of {formatting.day(published)}, {days} days before {formatting.day(today)}:"
        " run `amkpi run` and see why nothing newer came"
    )


def not_yet(published: date, due: date) -> str:
    """The publication is of before the scorecards fell due."""
    return (
        f"the publication is of {formatting.day(published)}, and these scorecards fell due on {formatting.day(due)}:"
        " a newer one must come first"
    )


def blocked(as_of: date, findings: str, page: str) -> str:
    """An audit blocked what would have taken the publication's place."""
    return f"the audit as of {formatting.day(as_of)} blocked a newer publication: {findings} (see {page})"


def operator_text(report: Report, speech: Speech) -> str:
    """What the operator must know of people, or nothing."""
    say = speech.say
    lines: list[str] = []
    titles: dict[Fate, str] = {
        "uncertain": say("Uncertain: the connection broke before the server's answer. Not sent again by itself."),
        "refused": say("Refused for good by the server. Mend the address in the staff extract, or --resend by hand."),
        "deferred": say("Not taken for now. The next run tries again."),
        "unreachable": say("No scorecard could be addressed."),
    }
    for fate, title in titles.items():
        found = [outcome for outcome in report.outcomes if outcome.fate == fate]
        if found:
            lines += [title, *(f"- {plain(each.staff_id)}: {plain(each.what.in_(speech))}" for each in found), ""]
    return "\n".join(lines)


def operator_subject(report: Report, speech: Speech) -> str:
    """The subject of the mail that tells it."""
    return speech.count(
        "Scorecards {period}: {n} person needs you", "Scorecards {period}: {n} people need you",
        len(report.trouble), period=report.period,
    )  # fmt: skip
