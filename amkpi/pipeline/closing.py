"""Closing and reopening as a whole: the act, then build, audit and publication of what was closed, under one lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from amkpi.core.errors import AuditBlocked
from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.core.run import Progress, Run, silent
from amkpi.core.storage.closing_register import Act
from amkpi.core.storage.locking import locked
from amkpi.core.storage.warehouse import connect
from amkpi.ingestion import from_archive
from amkpi.ingestion.tables import create_tables
from amkpi.pipeline import steps
from amkpi.pipeline.exports import export_or_warn
from amkpi.publishing.closing import acts, verification
from amkpi.publishing.closing.acts import Request
from amkpi.publishing.closing.counterfactuals import scratch_home
from amkpi.publishing.closing.verification import Verified
from amkpi.publishing.publications import PublishReport


@dataclass(frozen=True)
class ClosingReport:
    """The act that was made or undone, and the publication that shows it."""

    act: Act
    published: PublishReport


def close(run: Run, request: Request, progress: Progress = silent) -> ClosingReport:
    """Close a period as readers see it, and publish that. The run's date is that of the current publication.

    Raises AmkpiError where it is refused, AuditBlocked where the period is closed but the publication is blocked.
    """

    def act() -> Act:
        with connect(run.home, run.settings) as connection:
            create_tables(connection)
            return acts.close(run.home, connection, request, run.now())

    return _act_and_publish(run, act, "closed", progress)


def reopen(run: Run, period: str, by: str, note: str, progress: Progress = silent) -> ClosingReport:
    """Reopen the newest closing, and publish that. Raises as `close` does."""
    return _act_and_publish(run, lambda: acts.reopen(run.home, period, by, note, run.now()), "reopened", progress)


def verify(run: Run) -> tuple[Verified, int]:
    """Compare files, register and current publication; returns what fits, and how many closed periods were compared.

    Raises ClosingsBroken, in one line, where they do not fit.
    """
    with locked(run.home, run.settings):
        acts.recover(run.home)
        return verification.verify(run.home), verification.verify_rows(run.home)


def _act_and_publish(run: Run, act: Callable[[], Act], done: str, progress: Progress) -> ClosingReport:
    with locked(run.home, run.settings):
        acts.recover(run.home)
        made = act()
        progress(f"{made.period} is {done} (number {made.n})")
        try:
            with _as_published(run, progress) as same:
                steps.build(same, progress)
                steps.audit(same, progress)
                published = steps.publish(same, progress)
        except AuditBlocked as blocked:
            raise AuditBlocked(
                f"{made.period} is {done} (number {made.n}), and its publication is blocked: {blocked}",
                blocked.findings,
            ) from blocked
    export_or_warn(run, progress)
    return ClosingReport(made, published)


@contextmanager
def _as_published(run: Run, progress: Progress) -> Iterator[Run]:
    """The run of the current publication's date and deliveries.

    Where more was loaded since, a warehouse of just those deliveries is made from archive/, and removed afterwards.
    """
    seen = acts.current(run.home)
    same = replace(run, as_of=seen.as_of, historical=False)
    with connect(run.home, run.settings) as connection:
        more = acts.waiting_rows(connection, seen.delivery)
    if not more:
        yield same
        return
    with scratch_home(run.home, "as_published") as home:
        with connect(home, run.settings) as connection:
            from_archive.rebuild(connection, run.home, run.settings, SHIPPED_MAPPINGS, progress, until=seen.delivery)
        yield replace(same, home=home)
