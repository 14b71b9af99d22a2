"""What the tools of the MCP server answer. The field texts become the schemas that an assistant reads."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Answer(_Model):
    """What every answer says: from which publication, for whom, and how much is behind it."""

    publication_id: str = Field(description="give it with every figure that you pass on")
    as_of: date = Field(description="the data is of this day")
    reporting_currency: str
    asked_as: str = Field(description="whose rights limit the answer: a staff id, or analyst")
    n: int = Field(description="the sample size; in a list, how many entries there are before any limit")
    null_reason: str | None = Field(default=None, description="why a value is missing; None where none is")


class Definition(_Model):
    """One KPI. Ratios are 0 to 1, money is in the reporting currency, scores are 0 to 100."""

    number: int
    name: str
    label_vi: str
    label_en: str
    question_vi: str
    question_en: str
    formula_vi: str
    formula_en: str
    unit: Literal["money", "ratio", "score"]
    better: Literal["higher", "lower"]
    counts: str = Field(description="what its sample size counts")
    null_reasons: dict[str, str] = Field(description="by code, why there may be no value")
    has_records: bool = Field(description="false for a private KPI: its records are never listed")


class Periods(_Model):
    """The periods of a grain for which there are values, as the other tools take them."""

    grain: str
    first: str
    last: str
    last_complete: str | None = Field(description="the newest that is over; later ones still change")


class Catalogue(Answer):
    """The KPIs, the periods, and what the caller may read."""

    kpis: list[Definition]
    periods: list[Periods]
    may_read_company: bool
    may_use_query: bool
    people: list[str] = Field(description="whose own values may be read, as `id: name`; the first 200")


class Subject(_Model):
    """Whose value of which KPI and period it is."""

    kpi: str
    scope: Literal["own", "team", "company"]
    staff_id: str | None
    full_name: str | None
    period: str


class Value(Answer):
    """One value as it is published. numerator and denominator are not given for a private KPI."""

    subject: Subject
    sentence: str = Field(description="the answer in one sentence of the wanted language")
    value: float | None
    unit: str
    numerator: float | None
    denominator: float | None
    wilson_low: float | None = Field(description="95% interval: how far chance alone could move a rate")
    wilson_high: float | None
    target: float | None
    attainment: float | None = Field(description="1 is the target")
    status: str
    previous_value: float | None
    change: float | None
    undecided: int = Field(description="records without an outcome yet")
    is_provisional: bool = Field(description="the period is not over: the value still changes")
    is_closed: bool = Field(description="the period was closed for good; later corrections are adjustments")


class Record(_Model):
    """A record that a value counts."""

    source_id: str | None
    name: str | None
    client: str | None
    credit: str | None = Field(description="the staff id of who has the credit")
    event_date: date
    state: str | None
    due_date: date | None
    done_date: date | None
    days_late: int | None
    amount: float | None
    numerator: float | None
    denominator: float | None


class Records(Answer):
    """The records behind a value. n is the sample size of the value."""

    subject: Subject
    value: float | None
    total: int = Field(description="how many records match; `records` has those from offset on, up to limit")
    not_shown: int = Field(description="records of people whom the caller may not read")
    records: list[Record]


class Excluded(_Model):
    """Records that do not count, for one reason."""

    reason: str
    text: str
    records: int


class Explained(Value):
    """A value with its formula and what it is made of. `records` lists the records."""

    formula: str
    formula_with_numbers: str | None
    credit_rule: str
    target_rule: str
    counted: int
    excluded: list[Excluded]
    held_back: int = Field(description="quarantined rows of any period that could change it; 0 if not readable")
    definition: str = Field(description="the file that defines the KPI")


class Compared(_Model):
    """One of the compared values."""

    staff_id: str | None
    full_name: str | None
    value: float | None
    n: int
    null_reason: str | None
    target: float | None
    attainment: float | None
    other_value: float | None = Field(description="of the other period, where one was asked for")
    other_n: int | None
    change: float | None = Field(description="value minus other_value")
    may_be_chance: bool | None = Field(description="whether the 95% intervals of the two periods overlap")


class Comparison(Answer):
    """Values of several people or teams in one period, best first; with another period, who improved most first."""

    kpi: str
    scope: Literal["own", "team", "company"]
    period: str
    other_period: str | None
    better: Literal["higher", "lower"]
    rows: list[Compared]


class Changed(_Model):
    """One KPI against the period before."""

    kpi: str
    value: float | None
    n: int
    null_reason: str | None
    previous_value: float | None
    change: float | None
    is_better: bool | None
    status: str


class Restated(_Model):
    """A figure of a mail or a closed period that is another one by now."""

    kind: Literal["restatement", "adjustment"]
    kpi: str | None
    period: str
    before: float | None
    now: float | None
    cause: str | None


class Changes(Answer):
    """What changed for a person, a team or the company."""

    scope: Literal["own", "team", "company"]
    staff_id: str | None
    full_name: str | None
    period: str
    previous_period: str
    score: float | None
    rating: str | None
    previous_score: float | None
    previous_rating: str | None
    kpis: list[Changed]
    restated: list[Restated]


class Rows(Answer):
    """The rows of a query. Values are as JSON has them; dates are text."""

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    has_more: bool = Field(description="there are more rows than these: aggregate in SQL")
