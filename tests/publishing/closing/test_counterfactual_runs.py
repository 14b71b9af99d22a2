"""The causes of a row follow from few runs of the models: none is made twice, and none that decides nothing."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pytest

from amkpi.publishing.closing import causes
from amkpi.publishing.closing.causes import _Explained, _Key
from amkpi.publishing.closing.changes import Cause

CAUSES = (Cause.late_rows, Cause.corrected_rows, Cause.happened_since, Cause.targets_changed)
Undone = frozenset[Cause]


class Models:
    """Stands for the models: what a row would be without some causes. Counts the runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rows: dict[_Key, dict[Undone, int]]) -> None:
        self.rows, self.runs, self._last = rows, [], frozenset[Cause]()
        monkeypatch.setattr(causes, "run_without", lambda scratch, undone, name, progress: self._run(undone))
        monkeypatch.setattr(causes, "_figures", lambda connection, name: self.figures(self._last))

    def _run(self, undone: Undone) -> None:
        self.runs.append(undone)
        self._last = undone

    def figures(self, undone: Undone) -> dict[_Key, Any]:
        return {key: (values[undone], 0, 0) for key, values in self.rows.items()}


class Nothing:
    """A scratch home that nobody reads."""

    connection = None


def key(name: int) -> _Key:
    return ("client_revenue", "own", f"P{name}", "month", date(2026, 1, 1))


def subsets(found: tuple[Cause, ...]) -> list[Undone]:
    return [
        frozenset(cause for place, cause in enumerate(found) if number >> place & 1)
        for number in range(2 ** len(found))
    ]


def every_run(
    models: Models, there: Undone, of_row: dict[_Key, Undone], known: dict[_Key, Any], is_other_version: bool
) -> dict[_Key, set[Cause]]:
    """The rule, with each of its runs made."""
    fresh, everything = models.figures(frozenset()), models.figures(there)
    named: dict[_Key, set[Cause]] = {}
    for each, possible in of_row.items():
        found = {cause for cause in possible if models.figures(frozenset({cause}))[each] != fresh[each]}
        if is_other_version and known[each] != everything[each]:
            found.add(Cause.version_changed)
        if not found:
            found = {cause for cause in possible if models.figures(there - {cause})[each] != everything[each]}
        named[each] = found or set(possible) or {Cause.version_changed}
    return named


@pytest.mark.parametrize("seed", range(40))
def test_the_causes_are_those_of_every_run_and_no_run_is_made_twice(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    there = frozenset(draw.sample(CAUSES, draw.randint(1, 4)))
    rows = {key(n): {undone: draw.randint(0, 2) for undone in subsets(CAUSES)} for n in range(6)}
    of_row = {each: frozenset(draw.sample(sorted(there), draw.randint(1, len(there)))) for each in rows}
    known = {each: (draw.randint(0, 2), 0, 0) for each in rows}
    is_other_version = draw.random() < 0.3
    models = Models(monkeypatch, rows)
    explained = _Explained(None, known, models.figures(frozenset()))  # type: ignore[arg-type]
    found = causes._by_running(Nothing(), explained, there, of_row, is_other_version, print)  # type: ignore[arg-type]
    assert found == every_run(models, there, of_row, known, is_other_version)
    assert len(models.runs) == len(set(models.runs)) <= 2 * len(there) + 1


def test_of_two_causes_that_hide_each_other_three_runs_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Cause.late_rows, Cause.corrected_rows
    both = frozenset({one, other})
    row = {frozenset[Cause](): 1, frozenset({one}): 1, frozenset({other}): 1, both: 0}
    models = Models(monkeypatch, {key(0): row, key(1): row})
    explained = _Explained(None, {}, models.figures(frozenset()))  # type: ignore[arg-type]
    of_row = {key(0): both, key(1): frozenset({other})}
    found = causes._by_running(Nothing(), explained, both, of_row, False, print)  # type: ignore[arg-type]
    assert found == {key(0): {one, other}, key(1): {other}}
    assert len(models.runs) == 3


def test_a_cause_that_concerns_no_row_with_several_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    there = frozenset({Cause.late_rows, Cause.targets_changed, Cause.happened_since})
    values = {undone: int(Cause.late_rows not in undone) for undone in subsets(CAUSES)}
    models = Models(monkeypatch, {key(0): values, key(1): values})
    explained = _Explained(None, {}, models.figures(frozenset()))  # type: ignore[arg-type]
    of_row = {key(0): frozenset({Cause.late_rows, Cause.happened_since}), key(1): frozenset({Cause.targets_changed})}
    found = causes._by_running(Nothing(), explained, there, of_row, False, print)  # type: ignore[arg-type]
    assert found == {key(0): {Cause.late_rows}, key(1): {Cause.targets_changed}}
    assert sorted(models.runs, key=str) == [frozenset({Cause.happened_since}), frozenset({Cause.late_rows})]
