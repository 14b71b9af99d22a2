"""Which incidents the facts show: what is published, loaded, mailed and waiting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from amkpi.access.addresses import held
from amkpi.access.names import Managers, Names, read_people
from amkpi.access.reader import active_people, sharing
from amkpi.alerts.store import Alert, Incident
from amkpi.alerts.texts import IncidentType
from amkpi.core.errors import AmkpiError
from amkpi.core.language import formatting
from amkpi.core.language.translator import Translator
from amkpi.core.publication_id import current_file
from amkpi.core.run import Run
from amkpi.core.settings import Settings
from amkpi.expectations.history import blocking_audit
from amkpi.ingestion import delivery_log, landing
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.publishing.reader import published
from amkpi.publishing.retention import disk_space
from amkpi.scorecards.mail.history import History

# The types that `find_incidents` raises, and that are resolved when it finds them no more. A failed task is resolved by
# its next success.
BY_FACTS: tuple[IncidentType, ...] = (
    "publication-blocked", "nightly-late", "family-stale", "mails-uncertain", "landing-stuck", "address-shared",
    "disk-low",
)  # fmt: skip
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class CurrentPublication:
    """The publication that readers see."""

    publication_id: str
    as_of: date
    at: datetime


def current_publication(run: Run) -> CurrentPublication | None:
    """The publication that readers see; None before the first one."""
    if current_file(run.home) is None:
        return None
    with published(run.home, run.settings) as connection:
        rows = connection.execute("select publication_id, as_of, published_at from publication").fetchall()
    return CurrentPublication(*rows[0])


def find_incidents(run: Run, current: CurrentPublication | None, open_alerts: Sequence[Alert]) -> list[Incident]:
    """The incidents that the facts show now, except those that only follow from another open alert."""
    known = {(alert.incident.type, alert.incident.about) for alert in open_alerts}
    blocked = _blocked(run, current)
    found = [*blocked, *_stale(run), *_uncertain(run), *_shared(run, current), *_disk_low(run)]
    cannot_publish = bool(blocked) or any(type_ == "publication-blocked" for type_, _ in known)
    builds_fail = any(type_ == "task-failed" and about.startswith("build_marts.") for type_, about in known)
    if ("nightly-late", "") in known or not (cannot_publish or builds_fail):
        found += _late(run, current)
    if ("landing-stuck", "") in known or ("task-failed", "load_extracts.load") not in known:
        found += _stuck(run)
    return found


def is_resolved(alert: Alert, current: CurrentPublication | None) -> bool:
    """Whether an incident that the facts do not show any more is resolved.

    A publication can be blocked by a failed test of the models, of which no audit knows: it is resolved by a newer
    publication.
    """
    return alert.incident.type != "publication-blocked" or (current is not None and current.at > alert.since)


def translator_of(settings: Settings) -> Translator:
    """The operator's language."""
    return Translator(settings.scorecards.language)


def moment(at: datetime, settings: Settings) -> str:
    """A point in time in the agency's time zone."""
    return f"{at.astimezone(ZoneInfo(settings.timezone)):%d/%m/%Y %H:%M}"


def killed_task(task: str, settings: Settings) -> Incident:
    """A task that was killed: it could not report its end."""
    text = translator_of(settings).t(
        "the task ended without a report: it was killed, ran out of memory, or its container was stopped"
    )
    return Incident("task-failed", task, text)


def _blocked(run: Run, current: CurrentPublication | None) -> list[Incident]:
    as_of, at = (date.min, datetime.min.replace(tzinfo=UTC)) if current is None else (current.as_of, current.at)
    audit = blocking_audit(run.home, as_of, at)
    if audit is None:
        return []
    text = translator_of(run.settings).t(
        "the audit of {at} blocks publication: see audits/{page}",
        at=moment(audit.moment, run.settings),
        page=audit.page,
    )
    return [Incident("publication-blocked", "", text)]


def _late(run: Run, current: CurrentPublication | None) -> list[Incident]:
    zone, hour = ZoneInfo(run.settings.timezone), run.settings.schedule.publish_by_hour
    now = run.now().astimezone(zone)
    day = now.date() if now.hour >= hour else now.date() - timedelta(days=1)
    expected = min(day, run.as_of)  # a run with a fixed date never reaches today
    if current is not None:
        late = current.as_of < expected
    else:
        # Before the first publication: late only if there was something to publish in that night.
        deadline = datetime(day.year, day.month, day.day, hour, tzinfo=zone)
        late = any(each.status == "loaded" and each.loaded_at < deadline for each in delivery_log.read(run.home.state))
    if not late:
        return []
    text = translator_of(run.settings).t(
        "at {hour}:00 on {day} there was no publication as of {expected} yet",
        hour=hour,
        day=formatting.day(day),
        expected=formatting.day(expected),
    )
    return [Incident("nightly-late", "", text)]


def _stale(run: Run) -> list[Incident]:
    """Families that were delivered once, but not for too long. A family that never came is no incident."""
    zone = ZoneInfo(run.settings.timezone)
    newest: dict[str, date] = {}
    for each in delivery_log.read(run.home.state):
        if each.status == "loaded" and each.rows_read and each.extract in EXTRACTS:
            family = EXTRACTS[each.extract].family
            newest[family] = max(newest.get(family, date.min), each.loaded_at.astimezone(zone).date())
    today, found = run.now().astimezone(zone).date(), []
    for name, allowed in run.settings.audit.stale_days.items():
        day = newest.get(name)
        if day is not None and (today - day).days > allowed:
            text = translator_of(run.settings).n(
                "the last rows came on {day}, {n} day ago ({allowed} allowed)",
                "the last rows came on {day}, {n} days ago ({allowed} allowed)",
                (today - day).days,
                day=formatting.day(day),
                allowed=allowed,
            )
            found.append(Incident("family-stale", name, text))
    return found


def _uncertain(run: Run) -> list[Incident]:
    """Scorecards with an uncertain outcome, one incident for each edition of a period.

    An uncertain scorecard is no incident any more when the reader was sent a later one.
    """
    sendings = History(run.home.state).read()
    last_sent = {(each.grain, each.staff_id): each.at for each in sendings if each.state == "sent"}
    people: dict[str, list[str]] = {}
    for each in sendings:
        later = last_sent.get((each.grain, each.staff_id))
        if each.state == "uncertain" and (later is None or later < each.at):
            about = f"{each.grain} {each.period} ({each.edition})"
            people.setdefault(about, []).append(f"{each.staff_id} <{each.address}>")
    t = translator_of(run.settings).t
    return [
        Incident(
            "mails-uncertain",
            about,
            t("the connection broke before the server's answer: {who}", who=", ".join(sorted(who))),
        )
        for about, who in people.items()
    ]


def _shared(run: Run, current: CurrentPublication | None) -> list[Incident]:
    """Active people with one address: each would read the other's numbers, so none of them gets anything by it."""
    if current is None:
        return []
    with published(run.home, run.settings) as connection:
        names = Names(current.as_of, read_people(connection), Managers(), {})
    groups = sorted(set(sharing(active_people(names, held(run.home.state, names))).values()))
    if not groups:
        return []
    who = "; ".join(", ".join(group) for group in groups)
    text = translator_of(run.settings).t("the staff extract gives one address to several people: {who}", who=who)
    return [Incident("address-shared", "", text)]


def _disk_low(run: Run) -> list[Incident]:
    space, language = disk_space(run.home), run.settings.scorecards.language
    if not space.is_low:
        return []
    text = translator_of(run.settings).t(
        "{folder} has {free} left, and the next runs may need {needed}",
        folder=space.folder,
        free=formatting.size(space.free, language),
        needed=formatting.size(space.needed, language),
    )
    return [Incident("disk-low", "", text)]


def _stuck(run: Run) -> list[Incident]:
    minutes, translator = run.settings.landing.stuck_minutes, translator_of(run.settings)
    latest = run.now().timestamp() - 60 * minutes
    try:
        if not run.home.landing.is_dir():
            raise AmkpiError(f"no folder {run.home.landing}")
        waiting = landing.waiting(run.home.landing)
    except AmkpiError as error:
        return [Incident("landing-stuck", "", translator.t("LANDING cannot be read: {why}", why=error))]
    names = [each.name for each in waiting if _unchanged_since(each.path) < latest]
    if not names:
        return []
    text = translator.n(
        "{n} file has waited for more than {time}: {names}",
        "{n} files have waited for more than {time}: {names}",
        len(names),
        time=translator.n("{n} minute", "{n} minutes", minutes),
        names=", ".join(names[:_NAMES_SHOWN]) + (" …" if len(names) > _NAMES_SHOWN else ""),
    )
    return [Incident("landing-stuck", "", text)]


def _unchanged_since(path: Path) -> float:
    """Since when the file has been in LANDING unchanged, in seconds since 1970.

    The time of its inode: its modification time may come from another machine.
    """
    try:
        return path.lstat().st_ctime
    except FileNotFoundError:
        return float("inf")
