"""What an agency chooses about its mails."""

from __future__ import annotations

from dataclasses import dataclass

from amkpi.core.language.translation import Language
from amkpi.core.settings import Settings


@dataclass(frozen=True)
class Options:
    """The agency's choices.

    stale_after_days: a publication whose date is older than this is sent to nobody. tries: how often a temporary
    refusal is tried in one run, with retry_wait seconds between the tries.
    """

    mail_from: str = "KPI scorecards <scorecards@localhost.localdomain>"
    operator_email: str | None = None
    default_language: Language = "vi"
    leadership: tuple[str, ...] = ()
    workbook: bool = False
    stale_after_days: int = 1
    weekly_hour: int = 7
    close_after_days: int = 5
    tries: int = 3
    retry_wait: float = 20.0


def options_of(settings: Settings) -> Options:
    """The agency's choices, from its settings."""
    return Options(
        mail_from=settings.mail.sender,
        operator_email=settings.mail.operator or None,
        default_language=settings.scorecards.language,
        leadership=settings.scorecards.leadership,
        workbook=settings.scorecards.workbook,
        stale_after_days=settings.scorecards.stale_after_days,
        weekly_hour=settings.scorecards.hour,
        close_after_days=settings.scorecards.close_after_days,
    )
