"""What an agency chooses about its mails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from amkpi.core.language.translation import Language
from amkpi.core.setting_groups.group import Cadence
from amkpi.core.settings import Settings


@dataclass(frozen=True)
class Options:
    """The agency's choices.

    reply_to: who gets the answers of readers; the operator where it is empty. unsubscribed: staff ids that get no mail.
    pages_url: where the pages are; empty without any. stale_after_days: a publication whose date is older than this is
    sent to nobody. tries: how often a temporary refusal is tried in one run, with retry_wait seconds between the tries.
    after_days: how many days after the end of a week, month, quarter or year its scorecards are due, at the hour.
    """

    mail_from: str = "KPI scorecards <scorecards@localhost.localdomain>"
    operator_email: str | None = None
    reply_to: str | None = None
    unsubscribed: tuple[str, ...] = ()
    pages_url: str = ""
    default_language: Language = "vi"
    leadership: tuple[str, ...] = ()
    workbook: bool = False
    stale_after_days: int = 1
    hour: int = 7
    cadences: tuple[Cadence, ...] = ("week", "month", "quarter", "year")
    after_days: Mapping[Cadence, int] = field(
        default_factory=lambda: {"week": 1, "month": 5, "quarter": 10, "year": 15}
    )
    tries: int = 3
    retry_wait: float = 20.0


def options_of(settings: Settings) -> Options:
    """The agency's choices, from its settings."""
    return Options(
        mail_from=settings.mail.sender,
        operator_email=settings.mail.operator or None,
        reply_to=settings.mail.reply_to or settings.mail.operator or None,
        unsubscribed=settings.mail.unsubscribed,
        pages_url=settings.pages.url,
        default_language=settings.scorecards.language,
        leadership=settings.scorecards.leadership,
        workbook=settings.scorecards.workbook,
        stale_after_days=settings.scorecards.stale_after_days,
        hour=settings.scorecards.hour,
        cadences=settings.scorecards.cadences,
        after_days={
            "week": settings.scorecards.week_after_days,
            "month": settings.scorecards.close_after_days,
            "quarter": settings.scorecards.quarter_after_days,
            "year": settings.scorecards.year_after_days,
        },
    )
