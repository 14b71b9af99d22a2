"""Settings: variables before the file before the defaults, and a typo is told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import KpiVariables, kpi_defaults, load_settings


def settings_of(tmp_path: Path, toml: str = "", **environment: str):  # type: ignore[no-untyped-def]
    (tmp_path / "amkpi.toml").write_text(toml, encoding="utf-8")
    return load_settings(Home.at(tmp_path), environment)


def test_every_kpi_variable_has_its_default_in_dbt_project_yml() -> None:
    assert kpi_defaults().keys() == KpiVariables.model_fields.keys()


def test_a_variable_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    toml = "keep_publications = 3\nmin_raters = 5\n"
    settings = settings_of(tmp_path, toml, AMKPI_MIN_RATERS="4")
    assert (settings.keep_publications, settings.kpi.min_raters, settings.kpi.retention_grace_days) == (3, 4, 30)


def test_kpi_variables_may_stand_in_a_table_of_their_own(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "[kpi]\nmin_raters = 5\n").kpi.min_raters == 5


def test_lists_and_bands_are_given_as_text_in_variables(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, AMKPI_REVENUE_KINDS="new_business, renewal", AMKPI_RATING_BANDS="Good:80,Poor:0")
    assert settings.kpi.revenue_kinds == ("new_business", "renewal")
    assert [(band.rating, band.at_least) for band in settings.kpi.rating_bands] == [("Good", 80), ("Poor", 0)]


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
    ],
)
def test_a_mistake_is_one_line_that_names_the_setting(
    tmp_path: Path, toml: str, environment: dict[str, str], said: str
) -> None:
    with pytest.raises(AmkpiError) as caught:
        settings_of(tmp_path, toml, **environment)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_and_when_are_no_settings(tmp_path: Path) -> None:
    settings_of(tmp_path, AMKPI_HOME="/x", AMKPI_LANDING="/y", AMKPI_AS_OF="2026-01-01")
