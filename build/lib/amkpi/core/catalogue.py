"""The KPI catalogue: the `meta.kpi` of the models in dbt_project/models/kpis."""

from __future__ import annotations

from functools import cache
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from amkpi.core.language.translation import Language, Translation
from amkpi.core.paths import DBT_PROJECT

__all__ = ["Kpi", "Language", "kpis"]


class Kpi(BaseModel):
    """One KPI. reads: the extracts in which a quarantined row may change the value or who gets the credit.

    target_growth: whether a period's target is the sum of its days' shares, or the mean of the targets of its days.
    denominator: None if the value is not a quotient. undecided: the text for {n} of {all} records of the denominator
    that have no outcome yet; None if every record has one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    number: int
    name: str
    unit: Literal["money", "ratio", "score"]
    better: Literal["higher", "lower"]
    target_growth: Literal["sum_of_days", "mean_of_days"]
    null_reason: str | None
    source_extract: str
    reads: tuple[str, ...]
    label: Translation
    question: Translation
    formula: Translation
    sample: Translation
    numerator: Translation
    denominator: Translation | None = None
    undecided: Translation | None = None


@cache
def kpis() -> tuple[Kpi, ...]:
    """The eight KPIs in the order of their numbers."""
    found = []
    for path in sorted((DBT_PROJECT / "models" / "kpis").glob("*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
            found.append(Kpi(**model["config"]["meta"]["kpi"]))
    return tuple(sorted(found, key=lambda kpi: kpi.number))
