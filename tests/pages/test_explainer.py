"""What a page says of a value is what `amkpi explain` says of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from amkpi.core.catalogue import kpi_named
from amkpi.core.language.periods import Period
from amkpi.core.settings import Settings
from amkpi.explain.evidence import Explanation, Question, explained
from amkpi.explain.explainer import OF_LINES, OF_VALUES, read_explainer
from amkpi.publishing.reader import open_publication
from amkpi.scorecards.facts import read_common_facts

# Of each scope. To explain a value by itself takes 20 ms.
QUESTIONS = 6


def test_explanations_of_many_values_equal_those_of_single_ones(file: Path, settings: Settings) -> None:
    connection = open_publication(file, settings.timezone)
    common = read_common_facts(connection, settings, of_values=OF_VALUES, of_lines=OF_LINES)
    explainer = read_explainer(connection, common.numbers, common.values.rows, common.lines.rows)
    found: dict[str, list[Explanation]] = {"own": [], "team": [], "company": []}
    keys = sorted(common.lines, key=repr)
    random.Random(5).shuffle(keys)
    for (scope, staff_id), kpi, (grain, start) in keys:
        if len(found[scope]) < QUESTIONS:
            question = Question(kpi_named(kpi), scope, staff_id, Period.starting(grain, start))  # type: ignore[arg-type]
            answer = explainer.explain(connection, question, _no_file)
            # Half of them have a record that somebody would look for.
            if answer.excluded or len([each for each in found[scope] if not each.excluded]) < QUESTIONS / 2:
                found[scope].append(answer)
    answers = [answer for of_scope in found.values() for answer in of_scope]
    assert len(answers) == 3 * QUESTIONS
    assert all(any(each.excluded for each in of_scope) for of_scope in found.values())
    assert any(each.target_spans for each in answers)
    for answer in answers:
        single = explained(connection, answer.question, _no_file)
        assert answer == replace(single, counted=single.counted if answer.counted else ())
        assert answer.counted or not (single.counted and answer.question.kpi.is_of_signings)
    connection.close()


def _no_file(n: int) -> Callable[..., object]:
    raise AssertionError(f"no period of this agency is closed, {n}")
