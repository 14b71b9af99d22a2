"""The KPI catalogue, read from where it stands: the `meta.kpi` of the models in dbt_project/models/kpis."""

from __future__ import annotations

from functools import cache
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from amkpi.core.paths import DBT_PROJECT

Language = Literal["vi", "en"]


class Words(BaseModel):
    """A text in the two languages of the scorecards."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    vi: str
    en: str

    def __getitem__(self, language: Language) -> str:
        """The text in that language."""
        return self.vi if language == "vi" else self.en


class Kpi(BaseModel):
    """One KPI. reads: the extracts in which a row held back may change the value or who has the credit.

    target_growth: whether a period's target is the sum of its days' shares, or the mean of the targets of its days.
    numerator and denominator are None where the value is no quotient. undecided: how to say that {n} of {all} records
    of the denominator have no outcome yet; None where every record has one.
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
    label: Words
    question: Words
    formula: Words
    sample: Words
    numerator: Words
    denominator: Words | None = None
    undecided: Words | None = None


@cache
def kpis() -> tuple[Kpi, ...]:
    """The eight KPIs in the order of their numbers."""
    found = []
    for path in sorted((DBT_PROJECT / "models" / "kpis").glob("*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
            found.append(Kpi(**model["config"]["meta"]["kpi"]))
    return tuple(sorted(found, key=lambda kpi: kpi.number))
