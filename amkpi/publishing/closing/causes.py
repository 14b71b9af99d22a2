"""The causes of adjustments and of changed scores.

A cause is named where the row changes when only this cause is undone. If that holds for none, a cause is named where
the row changes although every other cause is undone. If only one thing differs at all, it is the cause, and nothing
needs to be computed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache

import duckdb

from amkpi.core.home import Home
from amkpi.core.publication_id import pipeline_version
from amkpi.core.setting_groups.pipeline import KpiVariables
from amkpi.core.settings import Settings
from amkpi.core.storage import closing_register
from amkpi.core.storage.closing_register import Act
from amkpi.publishing.closing import files
from amkpi.publishing.closing.adjustments import newest_acts
from amkpi.publishing.closing.changes import COMPARED, Cause, Then, changed_rows, compare
from amkpi.publishing.closing.counterfactuals import Scratch, run_without, scratch_home

TOLERANCE = 1e-9
# Variables that change no sum: they shape scores alone, or the private KPI.
_OF_SCORES = frozenset({"min_raters", "attainment_floor", "attainment_cap", "min_weight_covered", "rating_bands"})

_Key = tuple[str | None, str | None, str | None, str | None, date]  # kpi (None: the score), scope, person, grain, start
_Figures = tuple[object, ...]


@dataclass(frozen=True)
class _Explained:
    """Rows that differ from what one act knew. known: their figures there; fresh: today."""

    act: Act
    known: dict[_Key, _Figures]
    fresh: dict[_Key, _Figures]


def name_causes(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    as_of: date,
    progress: Callable[[str], None] = lambda line: None,
) -> None:
    """Fill `cause` of the open adjustments and of the adjusted scores of the build in the warehouse.

    An adjustment is explained since the newest act that closed a period of its grain, a score since its own closing.
    Raises AmkpiError where the models cannot be run.
    """
    for explained in _explained(connection, home, as_of):
        causes = _of_act(connection, home, settings, as_of, explained, progress)
        for key, found in causes.items():
            text = ",".join(cause for cause in Cause if cause in found)
            kpi, scope, staff_id, grain, start = key
            if kpi is None:
                connection.execute(
                    "update closing.adjusted_scores set cause = ? where scope = ? and staff_id is not distinct from ?"
                    " and period_grain = ? and period_start = ?",
                    [text, scope, staff_id, grain, start],
                )
            else:
                connection.execute(
                    "update closing.adjustments set cause = ? where kpi = ? and scope = ?"
                    " and staff_id is not distinct from ? and period_grain = ? and period_start = ?"
                    " and carried_to is null",
                    [text, kpi, scope, staff_id, grain, start],
                )


def _explained(connection: duckdb.DuckDBPyConnection, home: Home, as_of: date) -> list[_Explained]:
    in_force = closing_register.read(home).in_force(as_of)
    if not in_force:
        return []
    newest = newest_acts(in_force)
    closing = {(each.grain, each.start): act for act in in_force for each in act.periods}
    found = {act.n: _Explained(act, {}, {}) for act in in_force}
    sums = connection.execute(
        "select adjusted.kpi, adjusted.scope, adjusted.staff_id, adjusted.period_grain, adjusted.period_start,"
        " coalesce(fresh.numerator, 0), coalesce(fresh.denominator, 0), coalesce(fresh.sample_size, 0),"
        " adjusted.numerator, adjusted.denominator, adjusted.sample_size"
        " from closing.adjustments as adjusted left join fresh_sums as fresh"
        " on adjusted.kpi = fresh.kpi and adjusted.scope = fresh.scope"
        " and adjusted.staff_id is not distinct from fresh.staff_id and adjusted.period_grain = fresh.period_grain"
        " and adjusted.period_start = fresh.period_start where adjusted.carried_to is null"
    ).fetchall()
    for *key, numerator, denominator, sample, of_numerator, of_denominator, of_sample in sums:
        explained = found[newest[key[3]].n]
        explained.fresh[tuple(key)] = (numerator, denominator, sample)
        explained.known[tuple(key)] = (numerator - of_numerator, denominator - of_denominator, sample - of_sample)
    scores = connection.execute(
        "select scope, staff_id, period_grain, period_start, closed_score, closed_rating, fresh_score, fresh_rating"
        " from closing.adjusted_scores"
    ).fetchall()
    for scope, staff_id, grain, start, *figures in scores:
        explained = found[closing[grain, start].n]
        explained.known[None, scope, staff_id, grain, start] = tuple(figures[:2])
        explained.fresh[None, scope, staff_id, grain, start] = tuple(figures[2:])
    return [explained for explained in found.values() if explained.fresh]


def _of_act(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    as_of: date,
    explained: _Explained,
    progress: Callable[[str], None],
) -> dict[_Key, set[Cause]]:
    act = explained.act
    with files.attached(connection, act.file(home), "one_closing"):
        connection.execute("create or replace temp table held_then as from one_closing.held")
        told = connection.execute("select settings from one_closing.about").fetchall()[0][0]
    settings_then = settings.model_copy(update={"kpi": _variables(told, settings)})
    last_day = _last_day(connection, explained)
    then = Then(act.delivery, act.as_of, "held_then", last_day)
    there = set(compare(connection, then, as_of))
    differing = {
        name for name in KpiVariables.model_fields if getattr(settings.kpi, name) != getattr(settings_then.kpi, name)
    }
    if differing:
        there.add(Cause.settings_changed)
    is_other_version = act.pipeline_version != pipeline_version()
    of_row = {
        key: frozenset(
            cause
            for cause in there
            if key[0] is None
            or (
                cause is not Cause.targets_changed and not (cause is Cause.settings_changed and differing <= _OF_SCORES)
            )
        )
        for key in explained.fresh
    }
    if not is_other_version and all(len(causes) == 1 for causes in of_row.values()):
        return {key: set(causes) for key, causes in of_row.items()}
    variables = [[str(getattr(each.kpi, name)) for name in sorted(differing)] for each in (settings, settings_then)]
    basis = _basis(connection, explained, [act.file_sha256, pipeline_version(), variables])
    found = _kept(connection, basis)
    if found is None:
        with scratch_home(home, "counterfactual") as place:
            scratch = Scratch(place, connection, settings, settings_then, as_of, then)
            found = _by_running(scratch, explained, frozenset(there), of_row, is_other_version, progress)
        _keep(connection, act.n, basis, found)
    return found


def _basis(connection: duckdb.DuckDBPyConnection, explained: _Explained, more: list[object]) -> str:
    """A hash of all that the causes follow from. Most nights bring nothing new of closed periods: no model is run."""
    rows = [sorted(map(repr, each.items())) for each in (explained.known, explained.fresh)]
    changes = [sorted(map(repr, changed_rows(connection, extract))) for extract in COMPARED]
    return hashlib.sha256(json.dumps([more, rows, changes]).encode()).hexdigest()


def _kept(connection: duckdb.DuckDBPyConnection, basis: str) -> dict[_Key, set[Cause]] | None:
    rows = connection.execute(
        "select kpi, scope, staff_id, period_grain, period_start, cause from closing.kept_causes where basis = ?",
        [basis],
    ).fetchall()
    return {tuple(key): {Cause(each) for each in cause.split(",")} for *key, cause in rows} or None


def _keep(connection: duckdb.DuckDBPyConnection, n: int, basis: str, found: dict[_Key, set[Cause]]) -> None:
    connection.execute("delete from closing.kept_causes where n = ?", [n])
    connection.executemany(
        "insert into closing.kept_causes (n, basis, kpi, scope, staff_id, period_grain, period_start, cause)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
        [[n, basis, *key, ",".join(sorted(causes))] for key, causes in found.items()],
    )


def _by_running(
    scratch: Scratch,
    explained: _Explained,
    there: frozenset[Cause],
    of_row: dict[_Key, frozenset[Cause]],
    is_other_version: bool,
    progress: Callable[[str], None],
) -> dict[_Key, set[Cause]]:
    @cache
    def figures(undone: frozenset[Cause]) -> dict[_Key, _Figures]:
        # A run of the models takes as long as a build: with two causes, "only this one undone" and "all but the other
        # undone" are the same run.
        run_without(scratch, undone, "undone", progress)
        found = _figures(scratch.connection, "undone")
        return {key: found.get(key, _nothing(key)) for key in of_row}

    named: dict[_Key, set[Cause]] = {key: set() for key in of_row}
    if is_other_version:
        for key, known in explained.known.items():
            if not same(known, figures(there)[key]):
                named[key].add(Cause.version_changed)
    else:
        # A row that only one cause can have moved was moved by it.
        named |= {key: set(causes) for key, causes in of_row.items() if len(causes) == 1}
    wanted = [key for key, causes in named.items() if not causes or is_other_version]
    for cause in sorted(there):
        for key in wanted:
            if cause in of_row[key] and not same(explained.fresh[key], figures(frozenset({cause}))[key]):
                named[key].add(cause)
    left = [key for key in wanted if not named[key]]
    for cause in sorted(there):
        for key in left:
            if cause in of_row[key] and not same(figures(there - {cause})[key], figures(there)[key]):
                named[key].add(cause)
    for key in left:
        # Only several causes together change the row.
        named[key] = named[key] or set(of_row[key]) or {Cause.version_changed}
    return named


def _figures(connection: duckdb.DuckDBPyConnection, name: str) -> dict[_Key, _Figures]:
    found: dict[_Key, _Figures] = {
        tuple(key): (numerator, denominator, sample)
        for *key, numerator, denominator, sample in connection.execute(
            "select kpi, scope, staff_id, period_grain, period_start, numerator, denominator, sample_size"
            f" from sums_{name}"
        ).fetchall()
    }
    for scope, person, grain, start, score, rating in connection.execute(
        f"select scope, nullif(person_key, ''), period_grain, period_start, weighted_score, rating from scores_{name}"
    ).fetchall():
        found[None, scope, person, grain, start] = (score, rating)
    return found


def _nothing(key: _Key) -> _Figures:
    return (None, None) if key[0] is None else (0, 0, 0)


def same(one: _Figures, other: _Figures) -> bool:
    """Whether two rows are equal: sums within a relative 1e-9, scores after rounding to nine decimals."""
    if len(one) == 2:
        return _rounded(one[0]) == _rounded(other[0]) and one[1] == other[1]
    return all(_near(float(a), float(b)) for a, b in zip(one, other, strict=True))  # type: ignore[arg-type]


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE * max(abs(one), abs(other))


def _rounded(score: object) -> object:
    return None if score is None else round(float(score), 9)  # type: ignore[arg-type]


def _variables(told: str, settings: Settings) -> KpiVariables:
    """The KPI variables of a closing. A variable that was added after the closing has today's value."""
    given = json.loads(told).get("kpi", {})
    known = {name: value for name, value in given.items() if name in KpiVariables.model_fields}
    return KpiVariables(**(settings.kpi.model_dump(mode="json") | known))


def _last_day(connection: duckdb.DuckDBPyConnection, explained: _Explained) -> date:
    ends: dict[tuple[str, date], date] = {
        (grain, start): end
        for grain, start, end in connection.execute(
            "select period_grain, period_start, period_end from closing.periods"
        ).fetchall()
    }
    return max(ends[str(grain), start] for _, _, _, grain, start in explained.fresh)
