"""How a weighted score is made up: what each KPI adds to it, and what it lacks to its target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from amkpi.core.catalogue import kpis
from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.facts import ScopeMember


@dataclass(frozen=True)
class ScorePart:
    """What one KPI adds to a weighted score.

    attainment: 1 is the target. weight: of the KPI; weights: of all scored KPIs together. points: 100 × weight ×
    attainment ÷ weights; the points of all scored KPIs add up to the score. lost: the points up to its target, 0 where
    it is met.
    """

    attainment: float
    weight: float
    weights: float
    points: float
    lost: float


def score_parts(context: ReaderContext, member: ScopeMember) -> Mapping[str, ScorePart]:
    """The parts of a member's score by KPI, as readers see them; empty where no score is shown."""
    if not context.score(member).is_rated:
        return {}
    lines = {kpi.name: line for kpi in kpis() if (line := context.line(member, kpi)) and line.attainment is not None}
    weights = math.fsum(line.weight or 0.0 for line in lines.values())
    if not weights:
        return {}
    parts = {}
    for name, line in lines.items():
        attainment, weight = line.attainment or 0.0, line.weight or 0.0
        points, lost = 100 * weight * attainment / weights, 100 * line.shortfall / weights
        parts[name] = ScorePart(attainment, weight, weights, points, lost)
    return parts
