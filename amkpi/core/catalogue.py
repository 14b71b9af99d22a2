"""The KPI catalogue: the `meta.kpi` of the models in dbt_project/models/kpis, read and checked.

The supporting measures are the `meta.measures` of the mart that has their values.

It is the only place that says what a KPI is. Code asks for a property (`aggregation`, `timing`, `private`, …), never
for the name or the number of a KPI, so that a new model with its yml is all that a new KPI needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from amkpi.core.errors import AmkpiError
from amkpi.core.language.translation import CountedTranslation, Translation
from amkpi.core.paths import DBT_PROJECT

# sum: the value is the numerator. ratio_of_counts, ratio_of_amounts: numerator / denominator. mean_of_groups: the mean
# over reviewer departments, which int_review_scores computes.
Aggregation = Literal["sum", "ratio_of_counts", "ratio_of_amounts", "mean_of_groups"]
# What decides into which period a record falls: a date of its own, or the day before the period begins.
Timing = Literal["event", "opening"]
# How a target goes with the days that count: their sum (an amount of a month), or their mean (a ratio).
TargetGrowth = Literal["sum_of_days", "mean_of_days"]
# Who has the credit; int_credit decides it.
CreditRule = Literal[
    "owner_or_manager", "signing_owner_or_manager", "project_owner_or_manager", "manager_on_opening", "person_reviewed"
]

# Why a value of a private KPI is hidden although there are records; int_kpi_values decides it.
HIDING_REASONS = frozenset({"too_few_raters", "period_running"})

_FOLDER = DBT_PROJECT / "models" / "kpis"
_MEASURES = DBT_PROJECT / "models" / "marts" / "kpis" / "supporting_measures.yml"
# The libyaml loader takes a seventh of the time.
YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ExampleTarget(BaseModel):
    """A plausible target and weight of an agency, which the sample agency uses.

    any: the target for a period of any grain; else month, quarter and year (also for a trailing year).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    any: float | None = None
    month: float | None = None
    quarter: float | None = None
    year: float | None = None
    weight: float = Field(ge=0)

    @model_validator(mode="after")
    def _is_for_any_grain_or_for_each(self) -> Self:
        by_grain = (self.month, self.quarter, self.year)
        if None in by_grain if self.any is None else by_grain != (None, None, None):
            raise ValueError("give either `any`, or all of `month`, `quarter` and `year`")
        return self


class Kpi(BaseModel):
    """One KPI.

    reads: the extracts in which a quarantined row may change the value or who has the credit. corrected_by: the
    extracts in which a corrected row changes a record, each with the column that holds the record's source_id (for a
    private KPI, the person). event_date: what the date of a record is. null_reasons: code and text of each reason for a
    missing value; the first must be that there is no record. private: no single record may be seen. owner: who answers
    for the definition. since: the version from which the definition is this one. states: the states that a record of
    its evidence can have, with their texts; empty for a private KPI. numerator and denominator: what they count;
    the denominator is None where the value is no quotient. undecided: the text for {n} of {all} records of the
    denominator that have no outcome yet; None if every record has one. sample and undecided have a form for
    one record.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    number: int = Field(ge=1)
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    unit: Literal["money", "ratio", "score"]
    better: Literal["higher", "lower"]
    target_growth: TargetGrowth
    aggregation: Aggregation
    timing: Timing
    credit_rule: CreditRule
    private: bool
    source_extract: str
    reads: tuple[str, ...] = Field(min_length=1)
    corrected_by: Mapping[str, str] = Field(min_length=1)
    example_target: ExampleTarget
    since: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    owner: Translation
    label: Translation
    short_label: Translation
    question: Translation
    formula: Translation
    event_date: Translation
    null_reasons: Mapping[str, Translation]
    states: Mapping[str, Translation] = Field(default_factory=dict)
    sample: CountedTranslation
    numerator: Translation
    denominator: Translation | None = None
    undecided: CountedTranslation | None = None

    @property
    def is_ratio(self) -> bool:
        """Whether the value is numerator / denominator."""
        return self.aggregation in ("ratio_of_counts", "ratio_of_amounts")

    @property
    def is_of_amounts(self) -> bool:
        """Whether the numerator, and the denominator if there is one, are money."""
        return self.unit == "money" or self.aggregation == "ratio_of_amounts"

    @property
    def is_of_signings(self) -> bool:
        """Whether its records are signings of contracts, and cancellations that take money back."""
        return self.aggregation == "sum" and self.source_extract == "contracts"

    @property
    def has_records(self) -> bool:
        """Whether the value is the sum of records that readers may see one by one."""
        return self.aggregation != "mean_of_groups"

    @property
    def no_data_reason(self) -> str | None:
        """The code of why there is no value when there is no record; None where the value is 0 then."""
        return next(iter(self.null_reasons), None)

    @model_validator(mode="after")
    def _fits_its_aggregation(self) -> Self:
        if self.is_ratio != (self.unit == "ratio"):
            raise ValueError(f"the unit `{self.unit}` does not fit the aggregation `{self.aggregation}`")
        if self.is_ratio != (self.denominator is not None):
            raise ValueError("`denominator` is for ratios, and a ratio needs it")
        if (self.aggregation == "sum") != (not self.null_reasons):
            raise ValueError("`null_reasons` is empty for a sum, which is 0 without records, and for nothing else")
        if self.private != (self.aggregation == "mean_of_groups"):
            raise ValueError("`private` is true for a mean of groups and for nothing else: others show their records")
        if self.private != (not self.states):
            raise ValueError("`states` names the states of records: every KPI needs it but a private one")
        if self.target_growth == "sum_of_days" and self.example_target.any is None:
            raise ValueError("the example target of an amount is one number, of a month: give `any`")
        if self.private and HIDING_REASONS - set(self.null_reasons):
            raise ValueError(f"`null_reasons` of a mean of groups must have {', '.join(sorted(HIDING_REASONS))}")
        if self.timing == "opening" and self.private:
            raise ValueError("a mean of groups counts by the dates of its records: set timing to `event`")
        if self.source_extract not in self.reads:
            raise ValueError(f"`reads` lacks the source_extract `{self.source_extract}`")
        return self


class Measure(BaseModel):
    """A supporting measure. kpi: the name of the KPI that it is shown with. definition: what it counts.

    is_quotient: the value is numerator / denominator.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kpi: str
    unit: Literal["money", "ratio", "score", "count", "days"]
    is_quotient: bool = False
    label: Translation
    definition: Translation


@cache
def kpis() -> tuple[Kpi, ...]:
    """The KPIs in the order of their numbers. Raises AmkpiError where the catalogue is not sound."""
    return read_catalogue(_FOLDER)


def kpi_named(name: str) -> Kpi:
    """The KPI of that name. Raises KeyError."""
    for kpi in kpis():
        if kpi.name == name:
            return kpi
    raise KeyError(name)


@cache
def measures() -> tuple[Measure, ...]:
    """The supporting measures in the order of their declaration. Raises AmkpiError where one is not sound."""
    content = yaml.load(_declared(_MEASURES), Loader=YAML_LOADER)
    try:
        return tuple(map(Measure.model_validate, content["models"][0]["config"]["meta"]["measures"]))
    except ValidationError as error:
        raise AmkpiError(f"{_MEASURES}: {_first_of(error, ('meta.measures',))}") from error


def read_catalogue(folder: Path) -> tuple[Kpi, ...]:
    """The KPIs that the ymls of a folder of models declare, in the order of their numbers.

    Raises AmkpiError in one line that names the file and the key.
    """
    found = tuple(sorted(map(_read, sorted(folder.glob("*.yml"))), key=lambda kpi: kpi.number))
    if [kpi.number for kpi in found] != list(range(1, len(found) + 1)):
        numbers = ", ".join(f"{kpi.number} {kpi.name}" for kpi in found)
        raise AmkpiError(f"{folder}: the numbers of the KPIs must be 1, 2, 3, … each once, and are {numbers}")
    of_groups = [kpi.name for kpi in found if kpi.aggregation == "mean_of_groups"]
    if len(of_groups) > 1:
        raise AmkpiError(
            f"{folder}: only one KPI can have the aggregation mean_of_groups, because int_review_months reads one"
            f" model; there are {', '.join(of_groups)}"
        )
    return found


def _declared(path: Path) -> str:
    """A yml without the unit tests below its model, which are nine tenths of the file."""
    return path.read_text(encoding="utf-8").partition("\nunit_tests:")[0]


def _first_of(error: ValidationError, above: tuple[str, ...]) -> str:
    """The first thing that is wrong, with its key. above: the keys above what was validated."""
    first = error.errors()[0]
    key = ".".join(map(str, (*above, *first["loc"])))
    return f"{key}: {first['msg'].removeprefix('Value error, ')}"


def _read(path: Path) -> Kpi:
    try:
        content: Any = yaml.load(_declared(path), Loader=YAML_LOADER)
        (model,) = content["models"]
        entry = model["config"]["meta"]["kpi"]
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise AmkpiError(
            f"{path}: it declares no KPI ({type(error).__name__}): it needs one model with config.meta.kpi, as the"
            " other files of the folder have"
        ) from error
    try:
        kpi = Kpi.model_validate(entry)
    except ValidationError as error:
        raise AmkpiError(f"{path}: {_first_of(error, ('meta.kpi',))}") from error
    if not path.stem == model["name"] == f"kpi_{kpi.name}":
        raise AmkpiError(
            f"{path}: file, model and KPI must have one name: kpi_{kpi.name}.yml, kpi_{kpi.name}, {kpi.name}"
        )
    return kpi
