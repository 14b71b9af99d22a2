"""The settings of loading, building, checking and closing, with defaults, limits and meanings: here and nowhere else.

The KPI variables are an exception: their defaults and meanings are in dbt_project.yml, which dbt reads by itself too.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode

from amkpi.core.setting_groups.group import (
    RESULT_NEUTRAL,
    FlatName,
    Group,
    TextList,
    bands_from_text,
    or_none,
)


class Landing(Group):
    """Files in LANDING: when they are taken, and how."""

    max_unpacked_bytes: Annotated[int, RESULT_NEUTRAL] = Field(
        default=2 * 1024**3, gt=0, description="a packed file that unpacks to more is rejected"
    )
    max_deleted_share: Annotated[float, RESULT_NEUTRAL] = Field(
        default=0.1,
        ge=0,
        le=1,
        description="a native file that deletes a greater share of its source's keys, and more than three, is rejected",
    )
    replay_changed_mappings: Annotated[bool, RESULT_NEUTRAL] = Field(
        default=False, description="a load takes files again whose mapping was changed since"
    )
    settle_seconds: Annotated[float, RESULT_NEUTRAL] = Field(
        default=2.0, ge=0, description="a file that changed within this time may still be being written"
    )
    watch: Annotated[bool, FlatName("watch_landing"), RESULT_NEUTRAL] = Field(
        default=True, description="load as soon as a file is ready; read from Airflow's environment only"
    )
    sweep_minutes: Annotated[int, RESULT_NEUTRAL] = Field(
        default=10, ge=0, le=60, description="load every so many minutes; 0: never; from Airflow's environment only"
    )
    stuck_minutes: Annotated[int, FlatName("landing_stuck_minutes"), RESULT_NEUTRAL] = Field(
        default=30, ge=1, description="files that wait in LANDING for longer: an alert"
    )


class Storage(Group):
    """Memory, places on disk, and the limits of a query."""

    memory_limit: Annotated[str, RESULT_NEUTRAL] = Field(
        default="1GB", description="what DuckDB may use before it spills to disk"
    )
    backup_dir: Annotated[str, RESULT_NEUTRAL] = Field(
        default="", description="where backups are written; empty: HOME/backups; another disk is better"
    )
    published_group: Annotated[str, RESULT_NEUTRAL] = Field(
        default="", description="the group of the machine that may read published/; empty: every user of the machine"
    )
    query_memory_limit: Annotated[str, RESULT_NEUTRAL] = Field(
        default="512MB", description="what `amkpi query` and the tool `query` may use; one that needs more is stopped"
    )
    query_seconds: Annotated[float, RESULT_NEUTRAL] = Field(
        default=60.0, gt=0, le=3600, description="seconds after which `amkpi query` and the tool `query` are stopped"
    )


class Build(Group):
    """The engine that builds the marts. Loading, validation, the audit and everything after them are DuckDB's."""

    engine: Annotated[Literal["duckdb", "spark"], FlatName("engine")] = Field(
        default="duckdb", description="what computes the marts; spark needs the extra `spark`"
    )
    lake: Annotated[str, FlatName("lake"), RESULT_NEUTRAL] = Field(
        default="",
        description="the folder, or s3:// address, by which DuckDB and Spark give each other tables; empty: HOME/lake",
    )
    spark_remote: Annotated[SecretStr, FlatName("spark_remote"), RESULT_NEUTRAL] = Field(
        default=SecretStr(""), description="the Spark Connect server, as sc://host:port; empty: one on this machine"
    )
    spark_memory: Annotated[str, FlatName("spark_memory"), RESULT_NEUTRAL] = Field(
        default="2g", pattern=r"^[1-9]\d*[mg]$", description="what a Spark server on this machine may use"
    )


class Retention(Group):
    """How long things are kept."""

    publications: Annotated[int, FlatName("keep_publications"), RESULT_NEUTRAL] = Field(
        default=7, ge=1, description="how many of the newest publications are kept"
    )
    daily_days: Annotated[int, FlatName("keep_daily_days"), RESULT_NEUTRAL] = Field(
        default=31, ge=0, description="for so many days the last publication of each day is kept"
    )
    publications_bytes: Annotated[ByteSize | None, or_none, FlatName("keep_publications_bytes"), RESULT_NEUTRAL] = (
        Field(
            default=None,
            ge=0,
            description="of those that are kept, the oldest go when all are larger than this, as in 20GB; the current"
            " one stays; none: no limit",
        )
    )
    audit_pages: Annotated[int, FlatName("keep_audit_pages"), RESULT_NEUTRAL] = Field(
        default=60, ge=1, description="how many of the newest audit pages are kept"
    )
    backup_days: Annotated[int, FlatName("keep_backup_days"), RESULT_NEUTRAL] = Field(
        default=14, ge=1, description="days after which a backup is removed; the newest is always kept"
    )
    airflow_days: Annotated[int, FlatName("keep_airflow_days"), RESULT_NEUTRAL] = Field(
        default=30, ge=0, description="days after which Airflow's records and task logs are removed; 0: never"
    )
    whole_airflow: Annotated[bool, FlatName("clean_whole_airflow"), RESULT_NEUTRAL] = Field(
        default=False,
        description="those of every DAG, not of amkpi's alone; the stack sets it: its Airflow has no others",
    )


class Audit(Group):
    """What the audit accepts."""

    max_quarantined_share: float = Field(
        default=0.2, ge=0, le=1, description="more of an extract in quarantine: not published"
    )
    warn_quarantined_share: float = Field(
        default=0.02, ge=0, le=1, description="this much of an extract in quarantine: a warning"
    )
    min_rows_for_share: int = Field(
        default=50, ge=0, description="the share blocks from so many rows of an extract on; fewer only warn"
    )
    days: Annotated[int, FlatName("audit_days")] = Field(
        default=365,
        ge=1,
        description="the audit looks at records of this many days before as_of; older ones were seen before",
    )
    stale_contract_days: int = Field(
        default=14, ge=1, description="no rows of the contract family for longer: a warning"
    )
    stale_project_days: int = Field(default=7, ge=1, description="no rows of the project family for longer: a warning")
    stale_survey_days: int = Field(default=45, ge=1, description="no rows of the survey family for longer: a warning")
    stale_reference_days: int = Field(
        default=45, ge=1, description="no rows of the reference family for longer: a warning"
    )
    volume_factor: float = Field(
        default=5, gt=1, description="a load of that many times more or fewer rows than usual: a warning"
    )
    volume_min_loads: int = Field(
        default=5, ge=1, description="earlier loads of an extract before its volume is checked"
    )
    volume_min_rows: int = Field(
        default=20, ge=0, description="a load is not checked where it and the usual one are smaller"
    )
    owner_grace_days: int = Field(
        default=90,
        ge=0,
        description="days for which somebody who left, or changed roles, may still own earlier records",
    )
    max_share_without_budget: float = Field(
        default=0.1, ge=0, le=1, description="a greater share of delivered projects without a budget: a warning"
    )
    max_share_without_cost: float = Field(
        default=0.1, ge=0, le=1, description="a greater share of delivered projects without any cost: a warning"
    )
    max_rate_age_days: int = Field(default=35, ge=0, description="an exchange rate used later than this: a warning")
    amount_factor: float = Field(
        default=10, gt=1, description="a contract of that many times its client's usual amount: a warning"
    )
    amount_min_others: int = Field(
        default=4, ge=1, description="other contracts of a client before its amounts are checked"
    )
    max_record_age_years: int = Field(
        default=30, ge=1, le=1000, description="an older record probably has a wrong year: a warning"
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


class Schedule(Group):
    """When something must have happened, and where Airflow's tasks build."""

    publish_by_hour: Annotated[int, RESULT_NEUTRAL] = Field(
        default=6, ge=3, le=23, description="if the night's publication is not there at this hour: an alert"
    )
    task_python: Annotated[str, RESULT_NEUTRAL] = Field(
        default="", description="the Python in which Airflow's tasks build and audit; empty: their own"
    )


class Closing(Group):
    """Closing periods by themselves, after a person has approved it in Airflow."""

    after_days: Annotated[int | None, or_none, FlatName("close_after_days"), RESULT_NEUTRAL] = Field(
        default=None, ge=0, description="days after a period's end until Airflow asks to close it; none: it never asks"
    )
    grain: Annotated[Literal["month", "quarter", "year"], FlatName("close_grain"), RESULT_NEUTRAL] = Field(
        default="quarter", description="which periods it asks to close"
    )
    approval_hours: Annotated[int, FlatName("close_approval_hours"), RESULT_NEUTRAL] = Field(
        default=72, ge=1, description="hours until it asks again; read from Airflow's environment only"
    )


class RatingBand(BaseModel):
    """A rating and the lowest weighted score that earns it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rating: str
    at_least: float


class KpiVariables(Group):
    """The dbt variables of the KPI rules. dbt_project.yml has their defaults, and explains each."""

    reporting_currency: str = Field(pattern=r"^[A-Z]{3}$")
    account_roles: Annotated[TextList, Field(min_length=1)]
    revenue_kinds: Annotated[TextList, Field(min_length=1)]
    retention_grace_days: int = Field(ge=0)
    csat_threshold: float = Field(ge=0, le=1)
    min_raters: int = Field(ge=1)
    attainment_floor: float
    attainment_cap: float = Field(gt=0)
    min_weight_covered: float = Field(ge=0, le=1)
    rating_bands: Annotated[tuple[RatingBand, ...], NoDecode, BeforeValidator(bands_from_text), Field(min_length=1)]
