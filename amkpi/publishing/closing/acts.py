"""Closing, reopening, and entering the file of a process that was killed in between.

The caller holds HOME's lock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.language.periods import Period
from amkpi.core.language.translator import Translator
from amkpi.core.publication_id import current_file
from amkpi.core.storage import closing_register
from amkpi.core.storage.closing_register import Act, ClosedPeriod, Register, Reopening
from amkpi.ingestion import landing
from amkpi.ingestion.archive import claimed
from amkpi.publishing.closing import files, verification

_GRAINS = ("month", "quarter", "year")


@dataclass(frozen=True)
class Request:
    """What a person asks for. publication_id: only this publication may be closed; None for the current one."""

    period: str
    by: str
    note: str = ""
    ignore_waiting: bool = False
    publication_id: str | None = None


@dataclass(frozen=True)
class Seen:
    """The publication that readers see."""

    file: Path
    publication_id: str
    as_of: date
    pipeline_version: str
    reporting_currency: str
    settings: str
    delivery: int
    rows_held_back: int


def closable(text: str) -> Period:
    """The period that `2026-09`, `2026-Q3` or `2026` names. Raises AmkpiError."""
    for grain in _GRAINS:
        try:
            return Period.parse(grain, text.upper())
        except AmkpiError:
            continue
    raise AmkpiError(
        f"{text!r} cannot be closed: say a period as 2026-09, 2026-Q3 or 2026; a trailing year is never closed"
    )


def recover(home: Home) -> tuple[Act, ...]:
    """Enter a closing file whose process was killed before it entered it, if it fits the chain; returns the acts.

    Raises ClosingsBroken where the register was altered.
    """
    register = closing_register.read(home)
    entered: list[Act] = []
    if register.home_id is None:
        return ()
    for path in files.found(home):
        if any(path.name == act.file_name for act in register.acts):
            continue
        written = files.about(path)
        if (
            written is not None
            and written.home_id == register.home_id
            and written.previous == closing_register.previous_hash(register)
            and written.act.n == len(register.acts) + 1
            and written.act.file_name == path.name
        ):
            act = replace(written.act, file_sha256=files.sha256(path))
            register = closing_register.append(home, register, act)
            entered.append(act)
    return tuple(entered)


def close(home: Home, connection: duckdb.DuckDBPyConnection, request: Request, moment: datetime) -> Act:
    """Close a period as readers see it now; returns the act, which is in the register.

    connection: the warehouse. Raises AmkpiError, in one line, where it must not be closed; ClosingsBroken where
    the closings that there are do not fit each other.
    """
    if not request.by.strip():
        raise AmkpiError("say who closes, with --by NAME")
    register = verification.verify(home).register
    period = closable(request.period)
    seen = current(home)
    _check_publication(home, register, seen, request)
    if period.end > seen.as_of:
        raise AmkpiError(
            f"{period.key} ends on {period.end}, after the date {seen.as_of} of the current publication: it is not over"
        )
    periods = _periods(seen, register, period)
    waiting_files = len(landing.waiting(home.landing)) + len(claimed(home))
    not_built = waiting_rows(connection, seen.delivery)
    if (waiting_files or not_built) and not request.ignore_waiting:
        n = Translator("en").n
        raise AmkpiError(
            f"{n('{n} file', '{n} files', waiting_files)} in {home.landing} and"
            f" {n('{n} loaded row', '{n} loaded rows', not_built)} wait: run"
            " `amkpi run` first, or close without them by --ignore-waiting"
        )
    register = closing_register.begin(home)
    act = Act(
        n=len(register.acts) + 1,
        period=period.key,
        periods=periods,
        by=request.by.strip(),
        at=moment,
        note=request.note,
        publication_id=seen.publication_id,
        as_of=seen.as_of,
        delivery=seen.delivery,
        pipeline_version=seen.pipeline_version,
        reporting_currency=seen.reporting_currency,
        waiting_files=waiting_files,
        waiting_rows=not_built,
        rows_held_back=seen.rows_held_back,
        file_sha256="",
    )
    try:
        digest = files.write(home, connection, seen.file, register, act, seen.settings)
    except (duckdb.Error, OSError) as error:
        files.remove_partials(home)
        raise AmkpiError(f"{period.key} was not closed: {str(error).splitlines()[0]}") from error
    act = replace(act, file_sha256=digest)
    closing_register.append(home, register, act)
    return act


def reopen(home: Home, period: str, by: str, note: str, moment: datetime) -> Act:
    """Reopen the newest act that is not reopened, named by its period; returns the act. Raises AmkpiError."""
    if not by.strip() or not note.strip():
        raise AmkpiError("say who reopens and why, with --by NAME --note TEXT")
    register = verification.verify(home).register
    wanted = closable(period)
    in_force = register.in_force()
    if not in_force:
        raise AmkpiError(f"{wanted.key} cannot be reopened: nothing is closed")
    newest = in_force[-1]
    if newest.period != wanted.key:
        raise AmkpiError(
            f"{wanted.key} cannot be reopened: only the newest closing can, which is {newest.period} (number"
            f" {newest.n}): reopen that one first"
        )
    closing_register.append(home, register, Reopening(newest.n, newest.period, by.strip(), moment, note))
    return newest


def _check_publication(home: Home, register: Register, seen: Seen, request: Request) -> None:
    named = verification.published_closing(home)
    if named != register.last:
        raise AmkpiError("the last closing or reopening is not published yet: run `amkpi run` first")
    unknown = [act for act in register.in_force() if act.as_of > seen.as_of]
    if unknown:
        raise AmkpiError(
            f"the current publication is as of {seen.as_of}, and does not know closing {unknown[-1].n} as of"
            f" {unknown[-1].as_of}: run `amkpi run` first"
        )
    if request.publication_id is not None and request.publication_id != seen.publication_id:
        raise AmkpiError(
            f"publication {request.publication_id} was shown, and {seen.publication_id} is current: ask again"
        )


def _periods(seen: Seen, register: Register, period: Period) -> tuple[ClosedPeriod, ...]:
    """The period and the shorter ones within that are not closed, in the order of their dates, shorter first.

    Also those of which there is no row yet: a late row must not open a part of what is closed.
    """
    closed = {(each.grain, each.start): act for act in register.in_force() for each in act.periods}
    earlier = closed.get((period.grain, period.start))
    if earlier is not None:
        raise AmkpiError(
            f"{period.key} is closed already, by closing {earlier.n} ({earlier.period}) of {earlier.by}: `amkpi reopen"
            f" {earlier.period}` undoes that"
        )
    with duckdb.connect(str(seen.file), read_only=True) as connection:
        rows = connection.execute(
            "select 1 from marts.kpi_values where period_grain = ? and period_start = ? limit 1",
            [period.grain, period.start],
        ).fetchall()
    if not rows:
        raise AmkpiError(f"{period.key} cannot be closed: the current publication has no row of it")
    within = {period}
    for grain in _GRAINS[: _GRAINS.index(period.grain)]:
        shorter = Period.holding(grain, period.end)
        while shorter.start >= period.start:
            within.add(shorter)
            shorter = shorter.before()
    open_ones = [each for each in within if (each.grain, each.start) not in closed]
    in_order = sorted(open_ones, key=lambda each: (each.end, _GRAINS.index(each.grain)))
    return tuple(ClosedPeriod(each.grain, each.start, each.end) for each in in_order)


def current(home: Home) -> Seen:
    """The publication that readers see. Raises AmkpiError where there is none that can be closed."""
    file = current_file(home)
    if file is None or not file.is_file():
        raise AmkpiError(f"nothing is published in {home.published} yet: run `amkpi run`")
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            row = connection.execute(
                "select publication_id, as_of, pipeline_version, reporting_currency, settings,"
                " (select coalesce(max(delivery), 0) from marts.load_ledger),"
                " (select count(*) from marts.quarantined_rows) from marts.publication"
            ).fetchall()[0]
    except duckdb.BinderException as error:
        raise AmkpiError("the current publication was made by an older version: run `amkpi run` first") from error
    except duckdb.Error as error:
        raise AmkpiError(f"{file} cannot be opened: {str(error).splitlines()[0]}") from error
    return Seen(file, *row)


def waiting_rows(connection: duckdb.DuckDBPyConnection, delivery: int) -> int:
    """How many loaded rows the publication does not know. A snapshot without rows says that everything is gone."""
    counted = connection.execute(
        "select coalesce(sum(greatest(rows_read, 1)), 0)::bigint from raw.ledger where status = 'loaded'"
        " and (rows_read > 0 or source is not null) and delivery > ?",
        [delivery],
    ).fetchall()
    return int(counted[0][0])
