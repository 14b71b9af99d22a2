"""Settings: variables before the file before the defaults, and a typo is told in one line."""

from __future__ import annotations

import json
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.setting_groups.pipeline import KpiVariables, RatingBand
from amkpi.core.settings import all_settings, kpi_defaults, load_settings

BANDS = (RatingBand(rating="Good", at_least=80), RatingBand(rating="Poor", at_least=0))

# The names of version 0.1.0: each with its path today, a text for its variable, and the value that this means.
NAMES_OF_VERSION_0_1_0 = [
    ("timezone", "timezone", "UTC", "UTC"),
    ("max_unpacked_bytes", "landing.max_unpacked_bytes", "1000", 1000),
    ("settle_seconds", "landing.settle_seconds", "0", 0),
    ("max_quarantined_share", "audit.max_quarantined_share", "0.5", 0.5),
    ("warn_quarantined_share", "audit.warn_quarantined_share", "0.5", 0.5),
    ("watch_landing", "landing.watch", "false", False),
    ("sweep_minutes", "landing.sweep_minutes", "0", 0),
    ("keep_publications", "retention.publications", "3", 3),
    ("keep_daily_days", "retention.daily_days", "3", 3),
    ("memory_limit", "storage.memory_limit", "2GB", "2GB"),
    ("audit_days", "audit.days", "30", 30),
    ("stale_contract_days", "audit.stale_contract_days", "3", 3),
    ("stale_project_days", "audit.stale_project_days", "3", 3),
    ("stale_survey_days", "audit.stale_survey_days", "3", 3),
    ("stale_reference_days", "audit.stale_reference_days", "3", 3),
    ("volume_factor", "audit.volume_factor", "3", 3),
    ("volume_min_loads", "audit.volume_min_loads", "3", 3),
    ("volume_min_rows", "audit.volume_min_rows", "3", 3),
    ("owner_grace_days", "audit.owner_grace_days", "3", 3),
    ("max_share_without_budget", "audit.max_share_without_budget", "0.5", 0.5),
    ("max_share_without_cost", "audit.max_share_without_cost", "0.5", 0.5),
    ("max_rate_age_days", "audit.max_rate_age_days", "3", 3),
    ("amount_factor", "audit.amount_factor", "3", 3),
    ("amount_min_others", "audit.amount_min_others", "3", 3),
    ("max_record_age_years", "audit.max_record_age_years", "3", 3),
    ("scorecard_language", "scorecards.language", "en", "en"),
    ("scorecard_leadership", "scorecards.leadership", "G1, D1", ("G1", "D1")),
    ("scorecard_workbook", "scorecards.workbook", "true", True),
    ("scorecard_stale_after_days", "scorecards.stale_after_days", "3", 3),
    ("scorecard_hour", "scorecards.hour", "3", 3),
    ("scorecard_cadences", "scorecards.cadences", "month, quarter", ("month", "quarter")),
    ("scorecard_week_after_days", "scorecards.week_after_days", "3", 3),
    ("scorecard_close_after_days", "scorecards.close_after_days", "3", 3),
    ("scorecard_quarter_after_days", "scorecards.quarter_after_days", "3", 3),
    ("scorecard_year_after_days", "scorecards.year_after_days", "3", 3),
    ("mail_from", "mail.sender", "a@b.example", "a@b.example"),
    ("operator_email", "mail.operator", "a@b.example", "a@b.example"),
    ("backup_dir", "storage.backup_dir", "/disk", "/disk"),
    ("keep_backup_days", "retention.backup_days", "3", 3),
    ("keep_airflow_days", "retention.airflow_days", "3", 3),
    ("publish_by_hour", "schedule.publish_by_hour", "4", 4),
    ("landing_stuck_minutes", "landing.stuck_minutes", "3", 3),
    ("keep_audit_pages", "retention.audit_pages", "3", 3),
    ("reporting_currency", "kpi.reporting_currency", "USD", "USD"),
    ("account_roles", "kpi.account_roles", "a,b", ("a", "b")),
    ("revenue_kinds", "kpi.revenue_kinds", "a,b", ("a", "b")),
    ("retention_grace_days", "kpi.retention_grace_days", "3", 3),
    ("csat_threshold", "kpi.csat_threshold", "0.5", 0.5),
    ("min_raters", "kpi.min_raters", "4", 4),
    ("attainment_floor", "kpi.attainment_floor", "0.5", 0.5),
    ("attainment_cap", "kpi.attainment_cap", "1.5", 1.5),
    ("min_weight_covered", "kpi.min_weight_covered", "0.5", 0.5),
    ("rating_bands", "kpi.rating_bands", "Good:80,Poor:0", BANDS),
]


def toml_of(value: Any) -> str:
    """A value as the settings file says it."""
    if isinstance(value, RatingBand):
        return f"{{rating = '{value.rating}', at_least = {value.at_least}}}"
    return f"[{', '.join(map(toml_of, value))}]" if isinstance(value, tuple) else json.dumps(value)


def settings_of(tmp_path: Path, toml: str = "", **environment: str):  # type: ignore[no-untyped-def]
    (tmp_path / "amkpi.toml").write_text(toml, encoding="utf-8")
    return load_settings(Home.at(tmp_path), environment)


def test_every_kpi_variable_has_its_default_in_dbt_project_yml() -> None:
    assert kpi_defaults().keys() == KpiVariables.model_fields.keys()


def test_a_variable_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    toml = "keep_publications = 3\nmin_raters = 5\n"
    settings = settings_of(tmp_path, toml, AMKPI_MIN_RATERS="4")
    assert (settings.retention.publications, settings.kpi.min_raters, settings.kpi.retention_grace_days) == (3, 4, 30)


def test_kpi_variables_may_stand_in_a_table_of_their_own(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "[kpi]\nmin_raters = 5\n").kpi.min_raters == 5


def test_lists_and_bands_are_given_as_text_in_variables(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, AMKPI_REVENUE_KINDS="new_business, renewal", AMKPI_RATING_BANDS="Good:80,Poor:0")
    assert settings.kpi.revenue_kinds == ("new_business", "renewal")
    assert [(band.rating, band.at_least) for band in settings.kpi.rating_bands] == [("Good", 80), ("Poor", 0)]


def test_a_group_is_a_table_of_the_file_and_two_underscores_in_a_variable(tmp_path: Path) -> None:
    toml = "[retention]\npublications = 3\ndaily_days = 2\n[mail]\nsender = 'a@b.example'\n"
    settings = settings_of(tmp_path, toml, AMKPI_RETENTION__DAILY_DAYS="5", AMKPI_SCORECARDS__LEADERSHIP="G1, D1")
    assert (settings.retention.publications, settings.retention.daily_days) == (3, 5)
    assert settings.mail.sender == "a@b.example"
    assert settings.scorecards.leadership == ("G1", "D1")


@pytest.mark.parametrize(("name", "path", "text", "value"), NAMES_OF_VERSION_0_1_0, ids=lambda each: str(each))
def test_every_name_of_version_0_1_0_is_still_accepted(
    tmp_path: Path, name: str, path: str, text: str, value: Any
) -> None:
    by_variable = settings_of(tmp_path, **{f"AMKPI_{name.upper()}": text})
    by_file = settings_of(tmp_path, f"{name} = {toml_of(value)}\n")
    assert attrgetter(path)(by_variable) == attrgetter(path)(by_file) == value
    assert by_variable == by_file
    assert by_variable != settings_of(tmp_path)


def test_every_variable_of_the_kpi_rules_was_accepted_in_its_table_too(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "[kpi]\ncsat_threshold = 0.5\n").kpi.csat_threshold == 0.5


def test_no_two_settings_share_a_name() -> None:
    names = [name for each in all_settings() for name in {each.flat_name, ".".join(each.path)}]
    assert len(names) == len(set(names))


def test_a_setting_that_is_no_part_of_the_publication_id_is_marked_at_its_field(tmp_path: Path) -> None:
    plain = settings_of(tmp_path).fingerprint_fields()
    assert set(plain) == {"timezone", "build", "audit", "kpi"}
    # The engine can change the last bit of a figure.
    assert plain["build"] == {"engine": "duckdb"}
    assert settings_of(tmp_path, AMKPI_KEEP_PUBLICATIONS="3").fingerprint_fields() == plain
    assert settings_of(tmp_path, AMKPI_AUDIT_DAYS="3").fingerprint_fields() != plain
    assert settings_of(tmp_path, AMKPI_MIN_RATERS="4").fingerprint_fields() != plain


@pytest.mark.parametrize(
    ("toml", "environment", "said"),
    [
        ("min_rater = 5\n", {}, "did you mean min_raters"),
        ("", {"AMKPI_TIMEZON": "UTC"}, "AMKPI_TIMEZON: no setting timezon; did you mean timezone"),
        ("timezone = 'Saigon'\n", {}, "not a time zone"),
        ("keep_publications = 0\n", {}, "keep_publications"),
        ("keep_publications = [\n", {}, "not valid TOML"),
        ("", {"AMKPI_REPORTING_CURRENCY": "vnd"}, "AMKPI_REPORTING_CURRENCY"),
        ("", {"AMKPI_MAX_QUARANTINED_SHARE": "20%"}, "AMKPI_MAX_QUARANTINED_SHARE"),
        ("", {"AMKPI_RATING_BANDS": "A"}, "AMKPI_RATING_BANDS"),
        ("[retention]\npublication = 5\n", {}, "no setting retention.publication; did you mean retention.publications"),
        ("[retentoin]\npublications = 5\n", {}, "did you mean retention.publications"),
        ("", {"AMKPI_MAIL__SENDR": "x"}, "AMKPI_MAIL__SENDR: no setting mail.sendr; did you mean mail.sender"),
        ("retention = 7\n", {}, "no setting retention"),
        ("", {"AMKPI_KPI": "{}"}, "AMKPI_KPI: no setting kpi"),
        ("[retention]\npublications = 0\n", {}, "setting retention.publications = 0"),
        ("keep_publications = 7\n[retention]\npublications = 5\n", {}, "are the same setting; remove one"),
        ("", {"AMKPI_KEEP_PUBLICATIONS": "7", "AMKPI_RETENTION__PUBLICATIONS": "7"}, "are the same setting"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_setting(
    tmp_path: Path, toml: str, environment: dict[str, str], said: str
) -> None:
    with pytest.raises(AmkpiError) as caught:
        settings_of(tmp_path, toml, **environment)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_a_secret_does_not_repeat_it(tmp_path: Path) -> None:
    with pytest.raises(AmkpiError, match=r"setting postgres_url: ") as caught:
        settings_of(tmp_path, "postgres_url = ['postgresql://user:hunter2@db/kpi']\n")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_where_and_when_are_no_settings(tmp_path: Path) -> None:
    settings_of(tmp_path, AMKPI_HOME="/x", AMKPI_LANDING="/y", AMKPI_AS_OF="2026-01-01")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("scorecard_leadership = 5", r'write scorecard_leadership = \["one", "two"\], or as a variable one,two$'),
        (
            "[scorecards]\ncadences = 'daily'",
            r'write scorecards.cadences = \["one", "two"\], or as a variable one,two$',
        ),
        ("mail_unsubscribed = [1]", r'write mail_unsubscribed = \["one", "two"\]'),
        ("[kpi]\nrating_bands = [1, 2]", r'write kpi.rating_bands = \[\{rating = "A", at_least = 95\}, …\]'),
        ("rating_bands = 'A,B'", "or as a variable A:95,B:80$"),
    ],
)
def test_a_list_that_is_wrong_says_how_one_is_written(tmp_path: Path, text: str, form: str) -> None:
    (tmp_path / "amkpi.toml").write_text(text)
    with pytest.raises(AmkpiError, match=form) as raised:
        load_settings(Home.at(tmp_path), {})
    assert "\n" not in str(raised.value)


def test_a_number_that_is_wrong_says_nothing_of_lists(tmp_path: Path) -> None:
    (tmp_path / "amkpi.toml").write_text("keep_publications = 'x'")
    with pytest.raises(AmkpiError) as raised:
        load_settings(Home.at(tmp_path), {})
    assert "write" not in str(raised.value)


def a_group(folder: Path) -> dict[str, str]:
    """The environment of a group with two agencies."""
    (folder / "agencies.toml").write_text(
        '[group]\nname = "g"\nreporting_currency = "VND"\n'
        '[[agencies]]\ncode = "a"\nname = "A"\nhome = "a"\ntimezone = "Europe/Paris"\nengine = "spark"\n'
        '[[agencies]]\ncode = "b"\nname = "B"\nhome = "b"\n'
    )
    return {"AMKPI_AGENCIES": str(folder / "agencies.toml")}


def test_agencies_toml_goes_before_variables_and_these_before_the_file_of_the_home(tmp_path: Path) -> None:
    environment = {**a_group(tmp_path), "AMKPI_TIMEZONE": "Asia/Bangkok"}
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "amkpi.toml").write_text(f'timezone = "UTC"\noperator_email = "{name}@x.example"\n')
    found = {name: load_settings(Home.at(tmp_path / name), environment) for name in ("a", "b", "c")}
    assert {name: each.timezone for name, each in found.items()} == {
        "a": "Europe/Paris",
        "b": "Asia/Bangkok",
        "c": "Asia/Bangkok",
    }
    assert [each.build.engine for each in found.values()] == ["spark", "duckdb", "duckdb"]
    assert [each.mail.operator for each in found.values()] == ["a@x.example", "b@x.example", "c@x.example"]


def test_a_variable_makes_no_two_agencies_write_into_one_place(tmp_path: Path) -> None:
    environment = {**a_group(tmp_path), "AMKPI_BACKUP_DIR": "/backups/", "AMKPI_LAKE": "s3://lake"}
    a, b, other = (load_settings(Home.at(tmp_path / name), environment) for name in ("a", "b", "other"))
    assert (a.storage.backup_dir, b.storage.backup_dir) == ("/backups/a", "/backups/b")
    assert (a.build.lake, b.build.lake) == ("s3://lake/a", "s3://lake/b")
    assert other.storage.backup_dir == "/backups/", "a home outside of the group has the folder to itself"
    for variable in ("AMKPI_POSTGRES_URL", "AMKPI_POSTGRES_URL_FILE"):
        with pytest.raises(AmkpiError, match=f"^{variable}: all agencies of .* would write into one database"):
            load_settings(Home.at(tmp_path / "a"), {**environment, variable: "postgresql://u:secret@h/d"})
