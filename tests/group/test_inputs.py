"""fx_rates.csv and group_targets.csv: what is wrong is named with file, line and column."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from amkpi.core.agencies import Agencies, read_agencies
from amkpi.core.errors import AmkpiError
from amkpi.group.build.inputs import Rate, Target, read_rates, read_targets


@pytest.fixture
def agencies(tmp_path: Path) -> Agencies:
    file = tmp_path / "agencies.toml"
    file.write_text(
        '[group]\nname = "G"\nreporting_currency = "VND"\n[[agencies]]\ncode = "a"\nname = "A"\nregion = "North"\n'
        'home = "a"\n'
    )
    return read_agencies(file)


def test_files_that_do_not_exist_are_empty(tmp_path: Path, agencies: Agencies) -> None:
    assert read_rates(tmp_path) == ()
    assert read_targets(tmp_path, agencies) == ()


def test_rates_are_read_with_a_byte_order_mark_and_in_any_order(tmp_path: Path) -> None:
    text = "\ufeffrate, Currency ,rate_date\n25000.5,USD,2026-01-02\n23000, USD ,2025-01-01\n"
    (tmp_path / "fx_rates.csv").write_text(text, encoding="utf-8")
    assert read_rates(tmp_path) == (
        Rate("USD", date(2025, 1, 1), 23000.0),
        Rate("USD", date(2026, 1, 2), 25000.5),
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("usd,2026-01-01,1", "line 2: currency 'usd': write three capital letters"),
        ("USD,01/02/2026,1", "line 2: rate_date '01/02/2026': write the date as 2020-01-31"),
        ('USD,2026-01-01,"27,000"', "line 2: rate '27,000': write a number without thousands separators"),
        ("USD,2026-01-01,0", "line 2: rate '0': must be above 0"),
        ("USD,2026-01-01,nan", "line 2: rate 'nan': must be a number"),
        ("USD,2026-01-01,1\nUSD,2026-01-01,2", "line 3: the same as a line above it"),
    ],
)
def test_a_wrong_rate_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "fx_rates.csv").write_text(f"currency,rate_date,rate\n{line}\n")
    with pytest.raises(AmkpiError) as error:
        read_rates(tmp_path)
    assert f"{tmp_path}/fx_rates.csv, {said}" in str(error.value)


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "fx_rates.csv").write_text("currency,rate\nUSD,1\n")
    with pytest.raises(AmkpiError, match="no column rate_date; it needs currency, rate_date, rate"):
        read_rates(tmp_path)


HEADER = "level,code,kpi,period_grain,valid_from,target,weight\n"


def test_targets_are_for_a_region_or_the_group(tmp_path: Path, agencies: Agencies) -> None:
    lines = "region,North,client_revenue,month,2026-01-01,5,40\ngroup,,client_revenue,,2026-01-01,9,40\n"
    (tmp_path / "group_targets.csv").write_text(HEADER + lines)
    assert read_targets(tmp_path, agencies) == (
        Target("group", "", "client_revenue", "", date(2026, 1, 1), 9.0, 40.0),
        Target("region", "North", "client_revenue", "month", date(2026, 1, 1), 5.0, 40.0),
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("agency,a,client_revenue,,2026-01-01,1,1", "level 'agency': must be one of group, region"),
        ("region,South,client_revenue,,2026-01-01,1,1", "code 'South': must be one of North"),
        ("group,North,client_revenue,,2026-01-01,1,1", "code 'North': must be empty"),
        ("group,,revenue,,2026-01-01,1,1", "kpi 'revenue': must be one of client_retention_rate"),
        # Nothing is compared across agencies that could have a target.
        ("group,,internal_collaboration_score,,2026-01-01,1,1", "kpi 'internal_collaboration_score'"),
        ("group,,client_revenue,week,2026-01-01,1,1", "period_grain 'week'"),
        ("group,,client_revenue,,1/1/2026,1,1", "valid_from '1/1/2026': write the date as 2020-01-31"),
        ("group,,client_revenue,,2026-01-01,1,-1", "weight '-1': must not be below 0"),
    ],
)
def test_a_wrong_target_is_named(tmp_path: Path, agencies: Agencies, line: str, said: str) -> None:
    (tmp_path / "group_targets.csv").write_text(f"{HEADER}{line}\n")
    with pytest.raises(AmkpiError) as error:
        read_targets(tmp_path, agencies)
    assert f"group_targets.csv, line 2: {said}" in str(error.value)
