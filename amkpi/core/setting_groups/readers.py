"""The settings of what people read: scorecards, mail, pages, copies of the publication. Here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from amkpi.core.setting_groups.group import (
    RESULT_NEUTRAL,
    Cadence,
    FlatName,
    Group,
    TextList,
    list_from_text,
)


class Scorecards(Group):
    """The scorecards: for whom, when, in which language."""

    language: Annotated[Literal["vi", "en"], FlatName("scorecard_language"), RESULT_NEUTRAL] = Field(
        default="vi", description="the language of a mail where the reader's locale gives none"
    )
    leadership: Annotated[TextList, FlatName("scorecard_leadership"), RESULT_NEUTRAL] = Field(
        default=(), description="staff ids of those who get the company's scorecard too"
    )
    workbook: Annotated[bool, FlatName("scorecard_workbook"), RESULT_NEUTRAL] = Field(
        default=False, description="attach the evidence as XLSX"
    )
    min_days_for_score: Annotated[int, FlatName("scorecard_min_days_for_score"), RESULT_NEUTRAL] = Field(
        default=7,
        ge=0,
        le=31,
        description="a running period with fewer days of data shows no score and no missed target",
    )
    stale_after_days: Annotated[int, FlatName("scorecard_stale_after_days"), RESULT_NEUTRAL] = Field(
        default=1, ge=0, description="a publication that is older than this is not mailed"
    )
    hour: Annotated[int, FlatName("scorecard_hour"), RESULT_NEUTRAL] = Field(
        default=7, ge=0, le=23, description="scorecards that are due are sent from this hour on"
    )
    cadences: Annotated[
        tuple[Cadence, ...], NoDecode, BeforeValidator(list_from_text), FlatName("scorecard_cadences"), RESULT_NEUTRAL
    ] = Field(
        default=("week", "month", "quarter", "year"),
        description="which scorecards are mailed: each week the month to date, and each month, quarter and year",
    )
    week_after_days: Annotated[int, FlatName("scorecard_week_after_days"), RESULT_NEUTRAL] = Field(
        default=1, ge=1, le=7, description="days after a week's end until the month to date is mailed; 1 is Monday"
    )
    close_after_days: Annotated[int, FlatName("scorecard_close_after_days"), RESULT_NEUTRAL] = Field(
        default=5, ge=0, description="days after a month's end until it is mailed"
    )
    quarter_after_days: Annotated[int, FlatName("scorecard_quarter_after_days"), RESULT_NEUTRAL] = Field(
        default=10, ge=0, le=60, description="days after a quarter's end until it is mailed"
    )
    year_after_days: Annotated[int, FlatName("scorecard_year_after_days"), RESULT_NEUTRAL] = Field(
        default=15, ge=0, le=60, description="days after a year's end until it is mailed"
    )


class Mail(Group):
    """Mail: from whom, and who runs the pipeline."""

    sender: Annotated[str, FlatName("mail_from"), RESULT_NEUTRAL] = Field(
        default="KPI scorecards <scorecards@localhost.localdomain>", description="the sender of the mails"
    )
    operator: Annotated[str, FlatName("operator_email"), RESULT_NEUTRAL] = Field(
        default="", description="the address of who runs the pipeline and gets the alerts; empty: nobody"
    )
    reply_to: Annotated[str, FlatName("mail_reply_to"), RESULT_NEUTRAL] = Field(
        default="", description="the address that gets the answers of readers; empty: the operator's"
    )
    unsubscribed: Annotated[TextList, FlatName("mail_unsubscribed"), RESULT_NEUTRAL] = Field(
        default=(), description="staff ids of those who asked to get no more scorecards by mail"
    )
    server_file: Annotated[str, FlatName("mail_server_file"), RESULT_NEUTRAL] = Field(
        default="",
        description="a file with the mail server's address, for commands where AIRFLOW_CONN_AMKPI_SMTP is not set",
    )
    address_hold_hours: Annotated[int, FlatName("mail_address_hold_hours"), RESULT_NEUTRAL] = Field(
        default=24,
        ge=0,
        description="hours after the notice of it until a changed address of the staff extract gets anything",
    )


class Pages(Group):
    """The pages: where they are, and who reads more than the own numbers."""

    url: Annotated[str, FlatName("pages_url"), RESULT_NEUTRAL] = Field(
        default="",
        pattern=r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$",
        description="the address of the pages as readers type it; mails link to it; empty: there are no pages",
    )
    analysts: Annotated[TextList, FlatName("pages_analysts"), RESULT_NEUTRAL] = Field(
        default=(), description="staff ids or addresses of those who read everything"
    )
    operators: Annotated[TextList, FlatName("pages_operators"), RESULT_NEUTRAL] = Field(
        default=(), description="staff ids or addresses of those who also read the pages on files, quarantine and audit"
    )
    session_hours: Annotated[int, FlatName("pages_session_hours"), RESULT_NEUTRAL] = Field(
        default=12, ge=1, le=168, description="hours until a reader of the pages has to sign in again"
    )
    link_minutes: Annotated[int, FlatName("pages_link_minutes"), RESULT_NEUTRAL] = Field(
        default=15, ge=1, le=60, description="minutes for which a sign-in link is valid"
    )
    log_days: Annotated[int, FlatName("pages_log_days"), RESULT_NEUTRAL] = Field(
        default=180, ge=1, description="days for which the access log of the pages is kept"
    )
    trusted_proxies: Annotated[TextList, FlatName("pages_trusted_proxies"), RESULT_NEUTRAL] = Field(
        default=(),
        description="addresses or networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed",
    )
    oidc_issuer: Annotated[str, FlatName("pages_oidc_issuer"), RESULT_NEUTRAL] = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="the OpenID Connect provider that signs readers in; empty: a link by mail signs them in",
    )
    oidc_client_id: Annotated[str, FlatName("pages_oidc_client_id"), RESULT_NEUTRAL] = Field(
        default="", description="the id of the pages at the OpenID Connect provider"
    )
    oidc_client_secret_file: Annotated[str, FlatName("pages_oidc_client_secret_file"), RESULT_NEUTRAL] = Field(
        default="", description="the file with the client secret of the OpenID Connect provider"
    )
    oidc_address_claim: Annotated[str, FlatName("pages_oidc_address_claim"), RESULT_NEUTRAL] = Field(
        default="email",
        min_length=1,
        description="the claim with the reader's address; `email` counts only where the provider has verified it",
    )
    static_months: Annotated[int, FlatName("pages_static_months"), RESULT_NEUTRAL] = Field(
        default=2, ge=1, le=120, description="months that `amkpi pages` writes, with the quarters and years of them"
    )


class Postgres(Group):
    """PostgreSQL: each publication is also written there, with the rights of every reader."""

    url: Annotated[SecretStr, FlatName("postgres_url"), RESULT_NEUTRAL] = Field(
        default=SecretStr(""),
        description="the address of the database, with user and password; empty: publications are not written to one",
    )
    url_file: Annotated[str, FlatName("postgres_url_file"), RESULT_NEUTRAL] = Field(
        default="", description="a file with that address, so that the password is in no environment variable"
    )


class Parquet(Group):
    """Parquet: each publication is also written as files below published/parquet/."""

    publish: Annotated[bool, FlatName("publish_parquet"), RESULT_NEUTRAL] = Field(
        default=False, description="write each publication as Parquet too"
    )
