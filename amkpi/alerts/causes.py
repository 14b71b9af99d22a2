"""Alarms to the operator: one mail when something needs a person, and one when it is over.

What is wrong is told by facts (what is published, loaded, mailed and waiting) and, for failures, by the tasks that
failed. Each cause lies in HOME/state/ from when it was first seen until it is over, with what the operator was told of
it: a mail that could not be sent is tried again by the next look, and none is sent twice.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from amkpi.alerts.store import Alarm, Alarms, Trouble
from amkpi.alerts.texts import FACTS, LABELS, WORDS, Slug
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.language import formatting
from amkpi.core.publication_id import current_file
from amkpi.core.run import Progress, Run, silent
from amkpi.core.settings import Settings
from amkpi.core.storage.migrations.state_stores import DELIVERY_LOG
from amkpi.expectations.history import blocking_audit
from amkpi.ingestion import delivery_log, landing
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.publishing.reader import published
from amkpi.scorecards.mail.history import History
from amkpi.scorecards.mail.messages import Mail, sender_address
from amkpi.scorecards.mail.smtp import NoConnection, Server, Session

RUNBOOKS = "docs/operations/runbooks"
# What a look at the facts finds, and so may also find to be over. A failed task is over when it succeeds.
BY_FACTS: tuple[Slug, ...] = ("publication-blocked", "nightly-late", "family-stale", "mails-uncertain", "landing-stuck")
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Seen:
    """The publication that readers see."""

    publication_id: str
    as_of: date
    at: datetime


def watch_over(
    run: Run,
    server: Callable[[], Server],
    progress: Progress = silent,
    has_failed: Callable[[str, str], bool] = lambda task, run_id: False,
) -> list[Alarm]:
    """Look at the facts, and tell the operator what is new; returns the alarms that last.

    server: the one to send by, asked for only when there is something to send. has_failed: whether Airflow calls that
    task of that run failed for good; without Airflow nobody knows. Raises AmkpiError when the operator could not be
    told: the next look tries again.
    """
    run.home.make()
    alarms = Alarms(run.home)
    for task, run_id in alarms.begun():
        if has_failed(task, run_id):
            alarms.begin(Trouble("task-failed", task, _facts(run)["killed"]), run.now())
            alarms.task_ended(task)
    before = alarms.lasting()
    seen = _seen(run)
    found = troubles(run, seen, before)
    for trouble in found:
        alarms.begin(trouble, run.now())
    causes = {(trouble.slug, trouble.about) for trouble in found}
    for alarm in before:
        cause = (alarm.trouble.slug, alarm.trouble.about)
        if alarm.trouble.slug in BY_FACTS and cause not in causes and _is_over(alarm, seen):
            alarms.end(*cause, run.now())
    tell(run, server, progress)
    return alarms.lasting()


def task_begins(run: Run, task: str, run_id: str) -> None:
    """Remember that a task begins: one that is killed on its last try is told of by `watch_over`. Raises AmkpiError."""
    run.home.make()
    Alarms(run.home).task_begins(task, run_id)


def happened(
    run: Run, trouble: Trouble, server: Callable[[], Server], progress: Progress = silent, task: str = ""
) -> None:
    """Raise an alarm for what just happened, and tell the operator. task: whose end this is.

    Raises as `watch_over` does.
    """
    run.home.make()
    alarms = Alarms(run.home)
    alarms.begin(trouble, run.now())
    alarms.task_ended(task)
    tell(run, server, progress)


def recovered(
    run: Run,
    causes: Sequence[tuple[Slug, str]],
    server: Callable[[], Server],
    progress: Progress = silent,
    task: str = "",
) -> None:
    """What was wrong is well again: tell the operator, if they had been told. task: whose end this is.

    Raises as `watch_over` does.
    """
    run.home.make()
    alarms = Alarms(run.home)
    ended = [alarms.end(slug, about, run.now()) for slug, about in causes]
    alarms.task_ended(task)
    if any(ended):
        tell(run, server, progress)


def troubles(run: Run, seen: Seen | None, lasting: Sequence[Alarm]) -> list[Trouble]:
    """What the facts say is wrong now. What is known to follow from another alarm that lasts is not raised besides."""
    known = {(alarm.trouble.slug, alarm.trouble.about) for alarm in lasting}
    found = [*_blocked(run, seen), *_stale(run), *_uncertain(run)]
    cannot_publish = found[:1] if found and found[0].slug == "publication-blocked" else []
    cannot_publish += [alarm.trouble for alarm in lasting if alarm.trouble.slug == "publication-blocked"]
    builds_fail = any(slug == "task-failed" and about.startswith("build_marts.") for slug, about in known)
    if ("nightly-late", "") in known or not (cannot_publish or builds_fail):
        found += _late(run, seen)
    if ("landing-stuck", "") in known or ("task-failed", "load_extracts.load") not in known:
        found += _stuck(run)
    return found


def _seen(run: Run) -> Seen | None:
    if current_file(run.home) is None:
        return None
    with published(run.home, run.settings) as connection:
        rows = connection.execute("select publication_id, as_of, published_at from publication").fetchall()
    return Seen(*rows[0])


def _is_over(alarm: Alarm, seen: Seen | None) -> bool:
    """A block that no audit tells of (a broken rule of the models) is over when something newer is published."""
    return alarm.trouble.slug != "publication-blocked" or (seen is not None and seen.at > alarm.since)


def _blocked(run: Run, seen: Seen | None) -> list[Trouble]:
    as_of, at = (date.min, datetime.min.replace(tzinfo=UTC)) if seen is None else (seen.as_of, seen.at)
    audit = blocking_audit(run.home, as_of, at)
    if audit is None:
        return []
    what = _facts(run)["blocked"].format(at=_moment(audit.moment, run.settings), page=audit.page)
    return [Trouble("publication-blocked", "", what)]


def _late(run: Run, seen: Seen | None) -> list[Trouble]:
    zone, hour = ZoneInfo(run.settings.timezone), run.settings.schedule.publish_by_hour
    now = run.now().astimezone(zone)
    day = now.date() if now.hour >= hour else now.date() - timedelta(days=1)
    expected = min(day, run.as_of)  # a run whose date is fixed never gets to today
    if seen is not None:
        late = seen.as_of < expected
    else:
        # Before the first publication: late only when something lay there for the night to publish.
        deadline = datetime(day.year, day.month, day.day, hour, tzinfo=zone)
        late = any(each.status == "loaded" and each.loaded_at < deadline for each in _deliveries(run.home))
    if not late:
        return []
    what = _facts(run)["late"].format(hour=hour, day=formatting.day(day), expected=formatting.day(expected))
    return [Trouble("nightly-late", "", what)]


def _stale(run: Run) -> list[Trouble]:
    """Families that were delivered once and for too long no more; what an agency never had is no alarm."""
    zone = ZoneInfo(run.settings.timezone)
    newest: dict[str, date] = {}
    for each in _deliveries(run.home):
        if each.status == "loaded" and each.rows_read and each.extract in EXTRACTS:
            family = EXTRACTS[each.extract].family
            newest[family] = max(newest.get(family, date.min), each.loaded_at.astimezone(zone).date())
    today = run.now().astimezone(zone).date()
    return [
        Trouble(
            "family-stale",
            family,
            _facts(run)["stale"].format(day=formatting.day(day), days=(today - day).days, allowed=allowed),
        )
        for family, allowed in run.settings.audit.stale_days.items()
        if (day := newest.get(family)) is not None and (today - day).days > allowed
    ]


def _deliveries(home: Home) -> list[delivery_log.Delivery]:
    return delivery_log.read(home.state) if DELIVERY_LOG.exists(home.state) else []


def _uncertain(run: Run) -> list[Trouble]:
    """Scorecards whose fate nobody knows, an alarm a period's edition; what somebody got since is past."""
    sendings = History(run.home.state).read()
    last_sent = {(each.grain, each.staff_id): each.at for each in sendings if each.state == "sent"}
    open_: dict[str, list[str]] = {}
    for each in sendings:
        later = last_sent.get((each.grain, each.staff_id))
        if each.state == "uncertain" and (later is None or later < each.at):
            open_.setdefault(f"{each.grain} {each.period} ({each.edition})", []).append(
                f"{each.staff_id} <{each.address}>"
            )
    return [
        Trouble("mails-uncertain", about, _facts(run)["uncertain"].format(who=", ".join(sorted(who))))
        for about, who in open_.items()
    ]


def _stuck(run: Run) -> list[Trouble]:
    minutes = run.settings.landing.stuck_minutes
    latest = run.now().timestamp() - 60 * minutes
    try:
        if not run.home.landing.is_dir():
            raise AmkpiError(f"no folder {run.home.landing}")
        waiting = landing.waiting(run.home.landing)
    except AmkpiError as error:
        return [Trouble("landing-stuck", "", _facts(run)["unreadable"].format(why=error))]
    names = [each.name for each in waiting if _lies_since(each.path) < latest]
    if not names:
        return []
    shown = ", ".join(names[:_NAMES_SHOWN]) + (" …" if len(names) > _NAMES_SHOWN else "")
    return [Trouble("landing-stuck", "", _facts(run)["stuck"].format(count=len(names), minutes=minutes, names=shown))]


def _lies_since(path: Path) -> float:
    """Since when the file lies there as it is, in seconds since 1970: its own times may have come with it."""
    try:
        return path.lstat().st_ctime
    except FileNotFoundError:
        return float("inf")


def tell(run: Run, server: Callable[[], Server], progress: Progress = silent) -> None:
    """Mail the operator what they were not told yet. Raises AmkpiError when it could not be sent."""
    alarms = Alarms(run.home)
    untold = alarms.untold()
    if not untold:
        return
    for alarm in untold:
        progress(
            f"{'over' if alarm.over else 'alarm'}: {alarm.trouble.slug} {alarm.trouble.about}: {alarm.trouble.what}"
        )
    if not run.settings.mail.operator:
        progress("nobody is mailed of this: set operator_email, and the connection amkpi_smtp")
        return
    with _alone(run.home) as is_mine:
        if not is_mine:
            progress("another process is telling the operator")
            return
        sender = sender_address(run.settings.mail.sender)
        seen = _seen(run)
        try:
            session = Session(server(), sender.addr_spec)
        except NoConnection as error:
            raise AmkpiError(f"the operator could not be told of {len(untold)} alarms: {error}") from error
        try:
            for alarm in alarms.untold():
                fate, answer = session.deliver(message(run, alarm, seen))
                # Uncertain goes again: an alarm that is lost costs more than one that comes twice.
                if fate != "sent":
                    raise AmkpiError(f"the operator could not be told of {alarm.trouble.slug}: {answer}")
                alarms.tell(alarm)
        finally:
            session.close()


@contextmanager
def _alone(home: Home) -> Iterator[bool]:
    """Whether this process alone tells now; the operating system lets go when it ends, however it ends."""
    with (home.state / "alarms.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def message(run: Run, alarm: Alarm, seen: Seen | None) -> Mail:
    """The mail that tells of an alarm, or, when it is over, of that. The same alarm gives the same Message-ID."""
    settings, language, trouble = run.settings, run.settings.scorecards.language, alarm.trouble
    said, labels = WORDS[trouble.slug][language], LABELS[language]
    subject = said.subject.format(about=labels.get(trouble.about, trouble.about))
    current = (
        labels["none"]
        if seen is None
        else labels["as_of"].format(as_of=formatting.day(seen.as_of), at=_moment(seen.at, settings))
    )
    lines = [(labels["what"], trouble.what), (labels["since"], _moment(alarm.since, settings))]
    if alarm.over:
        lines += [(labels["until"], _moment(alarm.over, settings)), (labels["publication"], current)]
    else:
        lines += [
            (labels["readers"], said.readers),
            (labels["publication"], current),
            (labels["todo"], f"{RUNBOOKS}/{trouble.slug}.md"),
        ]
    sender, operator = sender_address(settings.mail.sender), sender_address(settings.mail.operator)
    digest = hashlib.sha256(
        f"{run.home.root}\n{trouble.slug}\n{trouble.about}\n{alarm.since.isoformat()}".encode()
    ).hexdigest()[:32]
    # A subject that is folded at its first word begins with a blank for some readers.
    mail = EmailMessage(policy=SMTP.clone(max_line_length=200))
    mail["From"], mail["To"] = sender, operator
    mail["Subject"] = f"[amkpi] {labels['over'].format(subject=subject) if alarm.over else subject}"
    mail["Date"] = format_datetime(run.now())
    mail["Message-ID"] = f"<{digest}{'-over' if alarm.over else ''}@{sender.domain}>"
    if alarm.over:
        mail["In-Reply-To"] = mail["References"] = f"<{digest}@{sender.domain}>"
    mail["Content-Language"] = language
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("".join(f"{label}\n  {text}\n\n" for label, text in lines), cte="quoted-printable")
    return Mail("", operator.addr_spec, "", "", "", str(mail["Message-ID"]), str(mail["Subject"]), mail.as_bytes(), ())


def _facts(run: Run) -> dict[str, str]:
    return FACTS[run.settings.scorecards.language]


def _moment(moment: datetime, settings: Settings) -> str:
    return f"{moment.astimezone(ZoneInfo(settings.timezone)):%d/%m/%Y %H:%M}"
