"""Settings: `AMKPI_*` variables, then HOME/amkpi.toml, then the defaults. KPI variables default in dbt_project.yml.

A name that nobody knows is an error: a typo must not leave a default in force unseen.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from datetime import date, datetime
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.paths import DBT_PROJECT

ENV_PREFIX = "AMKPI_"
# Variables that say where and when, not how: read by the command line, and the warehouse by dbt's profile.
NOT_SETTINGS = frozenset({"HOME", "LANDING", "AS_OF", "WAREHOUSE"})


class RatingBand(BaseModel):
    """A rating and the lowest weighted score that earns it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rating: str
    at_least: float


class KpiVariables(BaseModel):
    """The dbt variables of the KPI rules; what each means stands beside its default in dbt_project.yml."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    reporting_currency: str = Field(pattern=r"^[A-Z]{3}$")
    account_roles: tuple[str, ...] = Field(min_length=1)
    revenue_kinds: tuple[str, ...] = Field(min_length=1)
    retention_grace_days: int = Field(ge=0)
    csat_threshold: float = Field(ge=0, le=1)
    min_raters: int = Field(ge=1)
    attainment_floor: float
    attainment_cap: float = Field(gt=0)
    min_weight_covered: float = Field(ge=0, le=1)
    rating_bands: tuple[RatingBand, ...] = Field(min_length=1)


class Settings(BaseModel):
    """How the pipeline runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    timezone: str = Field(
        "Asia/Ho_Chi_Minh", description="the agency's time zone: today, and moments without an offset"
    )
    max_unpacked_bytes: int = Field(2 * 1024**3, gt=0, description="a packed file that unpacks to more is rejected")
    settle_seconds: float = Field(2.0, ge=0, description="a file that changed this lately may still be being written")
    max_quarantined_share: float = Field(0.2, ge=0, le=1, description="more of an extract held back: no publication")
    warn_quarantined_share: float = Field(0.02, ge=0, le=1, description="this much of an extract held back: a warning")
    watch_landing: bool = Field(True, description="load as soon as a file is ready; of Airflow's environment only")
    sweep_minutes: int = Field(
        10, ge=0, le=60, description="load every so many minutes besides; 0: never; of Airflow's environment only"
    )
    keep_publications: int = Field(7, ge=1, description="the newest publications that stay")
    keep_daily_days: int = Field(31, ge=0, description="days of which each one's last publication stays")
    memory_limit: str = Field("1GB", description="what DuckDB may use before it spills to disk")
    audit_days: int = Field(
        365, ge=1, description="the audit doubts records of this many days before as_of; older ones were seen before"
    )
    stale_contract_days: int = Field(14, ge=1, description="no rows of the contract family for longer: a warning")
    stale_project_days: int = Field(7, ge=1, description="no rows of the project family for longer: a warning")
    stale_survey_days: int = Field(45, ge=1, description="no rows of the survey family for longer: a warning")
    stale_reference_days: int = Field(45, ge=1, description="no rows of the reference family for longer: a warning")
    volume_factor: float = Field(
        5, gt=1, description="a load of that many times more or fewer rows than usual for its extract: a warning"
    )
    volume_min_loads: int = Field(5, ge=1, description="earlier loads of an extract before its volume is judged")
    volume_min_rows: int = Field(20, ge=0, description="a load is not judged where it and the usual one are smaller")
    owner_grace_days: int = Field(
        90, ge=0, description="days for which somebody who left, or changed roles, may still own what they had begun"
    )
    max_share_without_budget: float = Field(
        0.1, ge=0, le=1, description="a greater share of delivered projects without a budget: a warning"
    )
    max_share_without_cost: float = Field(
        0.1, ge=0, le=1, description="a greater share of delivered projects without any cost: a warning"
    )
    max_rate_age_days: int = Field(35, ge=0, description="an exchange rate used later than this: a warning")
    amount_factor: float = Field(
        10, gt=1, description="a contract of that many times its client's usual amount: a warning"
    )
    amount_min_others: int = Field(4, ge=1, description="other contracts of a client before its amounts are judged")
    max_record_age_years: int = Field(
        30, ge=1, le=1000, description="a record that is older is taken for a slip of the year: a warning"
    )
    scorecard_language: Literal["vi", "en"] = Field("vi", description="of a mail whose reader's locale says nothing")
    scorecard_leadership: tuple[str, ...] = Field((), description="staff ids who get the company's scorecard too")
    scorecard_workbook: bool = Field(False, description="attach the evidence as XLSX")
    scorecard_stale_after_days: int = Field(1, ge=0, description="an older publication is mailed to nobody")
    scorecard_hour: int = Field(7, ge=0, le=23, description="from when on a scorecard that fell due is sent")
    scorecard_close_after_days: int = Field(5, ge=0, description="days after a month's end until it is mailed closed")
    mail_from: str = Field(
        "KPI scorecards <scorecards@localhost.localdomain>", description="the sender of the scorecards"
    )
    operator_email: str = Field(
        "", description="who runs the pipeline and is told of blocked or failed mails; empty: nobody"
    )
    backup_dir: str = Field("", description="where backups are written; empty: HOME/backups, another disk is better")
    keep_backup_days: int = Field(14, ge=1, description="days until a backup goes; the newest always stays")
    keep_airflow_days: int = Field(30, ge=1, description="days until Airflow's records and task logs go")
    publish_by_hour: int = Field(
        6, ge=3, le=23, description="the night's publication is out by this hour, or the operator is told"
    )
    landing_stuck_minutes: int = Field(30, ge=1, description="files that wait for longer in LANDING: an alarm")
    keep_audit_pages: int = Field(60, ge=1, description="the newest audit pages that stay")
    kpi: KpiVariables

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("not a time zone; say it as in Asia/Ho_Chi_Minh") from error
        return value

    RESULT_NEUTRAL: ClassVar[frozenset[str]] = frozenset(
        {
            "settle_seconds",
            "watch_landing",
            "sweep_minutes",
            "keep_publications",
            "keep_daily_days",
            "keep_audit_pages",
            "memory_limit",
            "max_unpacked_bytes",
            # Mail: what is computed does not depend on who is told.
            "scorecard_language",
            "scorecard_leadership",
            "scorecard_workbook",
            "scorecard_stale_after_days",
            "scorecard_hour",
            "scorecard_close_after_days",
            "mail_from",
            "operator_email",
            "publish_by_hour",
            "backup_dir",
            "keep_backup_days",
            "keep_airflow_days",
            "landing_stuck_minutes",
        }
    )

    @property
    def stale_days(self) -> dict[str, int]:
        """By family, the days without rows after which it is stale."""
        return {
            "contract": self.stale_contract_days,
            "project": self.stale_project_days,
            "survey": self.stale_survey_days,
            "reference": self.stale_reference_days,
        }

    def today(self) -> date:
        """The date it is in the agency's time zone."""
        return datetime.now(ZoneInfo(self.timezone)).date()

    def that_shape_results(self) -> dict[str, Any]:
        """The settings on which a publication's content rests, JSON-ready."""
        return self.model_dump(mode="json", exclude=set(self.RESULT_NEUTRAL))


def kpi_defaults() -> dict[str, Any]:
    """The KPI variables' defaults, as dbt_project.yml has them."""
    project = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    return {name: value for name, value in project["vars"].items() if name in KpiVariables.model_fields}


def load_settings(home: Home, environment: dict[str, str] | None = None) -> Settings:
    """Read the settings of this home.

    environment: the variables to read, `os.environ` when None. Raises AmkpiError naming the setting and the mend.
    """
    given: dict[str, Any] = {}
    origin: dict[str, str] = {}
    if home.settings_file.is_file():
        try:
            with home.settings_file.open("rb") as file:
                values = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise AmkpiError(f"{home.settings_file}: not valid TOML: {error}") from error
        except OSError as error:
            raise AmkpiError(f"{home.settings_file}: cannot be read: {error.strerror}") from error
        nested = values.pop("kpi", {})
        for name, value in {**values, **(nested if isinstance(nested, dict) else {"kpi": nested})}.items():
            given[name], origin[name] = value, str(home.settings_file)
    for variable, text in sorted((os.environ if environment is None else environment).items()):
        name = variable.removeprefix(ENV_PREFIX)
        if variable.startswith(ENV_PREFIX) and name not in NOT_SETTINGS:
            given[name.lower()], origin[name.lower()] = _from_text(name.lower(), text), variable
    own = set(Settings.model_fields) - {"kpi"}
    known = own | set(KpiVariables.model_fields)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}"
            raise AmkpiError(f"{origin[name]}: no setting {name}{hint}")
    try:
        return Settings(
            **{name: value for name, value in given.items() if name in own},
            kpi=KpiVariables(**(kpi_defaults() | {n: v for n, v in given.items() if n not in own})),
        )
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0]) if problem["loc"] else "?"
        where = origin.get(name, "the settings")
        raise AmkpiError(f"{where}: setting {name} = {problem['input']!r}: {problem['msg']}") from error


def _from_text(name: str, text: str) -> Any:
    """A variable's text as the setting's shape: lists as comma-separated text, bands as A+:110,A:95."""
    if name == "rating_bands":
        return [dict(zip(("rating", "at_least"), part.split(":", 1), strict=False)) for part in text.split(",")]
    if name in {"account_roles", "revenue_kinds", "scorecard_leadership"}:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
