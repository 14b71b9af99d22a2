"""agencies.toml: what it gives, and what each mistake in it is told as."""

from __future__ import annotations

from pathlib import Path

import pytest

from amkpi.core.agencies import Agencies, agencies_file, read_agencies
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home

GROUP = '[group]\nname = "Sao Mai"\nreporting_currency = "VND"\n'
HANOI = '[[agencies]]\ncode = "hanoi"\nname = "Sao Mai Hà Nội"\nhome = "hanoi"\n'
SAIGON = '[[agencies]]\ncode = "saigon"\nname = "Sao Mai Sài Gòn"\nregion = "South"\nhome = "saigon"\n'


def read(folder: Path, text: str) -> Agencies:
    file = folder / "agencies.toml"
    file.write_text(text, encoding="utf-8")
    return read_agencies(file)


def test_paths_are_relative_to_the_file_and_each_agency_has_a_pool(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        GROUP + HANOI + SAIGON + 'landing = "/share/saigon"\ntimezone = "Asia/Bangkok"\nengine = "spark"\npool = "p"\n',
    )
    assert (found.group_name, found.reporting_currency) == ("Sao Mai", "VND")
    hanoi, saigon = found.agencies
    assert hanoi.home == Home.at(tmp_path / "hanoi")
    assert (hanoi.name, hanoi.region, hanoi.timezone, hanoi.engine) == ("Sao Mai Hà Nội", "", None, None)
    assert hanoi.pool == "amkpi_hanoi"
    assert saigon.home == Home.at(tmp_path / "saigon", Path("/share/saigon"))
    assert (saigon.region, saigon.timezone, saigon.engine, saigon.pool) == ("South", "Asia/Bangkok", "spark", "p")


def test_an_agency_is_found_by_its_code_and_by_its_home(tmp_path: Path) -> None:
    found = read(tmp_path, GROUP + HANOI + SAIGON)
    assert found.of_code("saigon") is found.agencies[1]
    (tmp_path / "hanoi").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "hanoi")
    assert found.of_home(Home.at(tmp_path / "link")) is found.agencies[0]
    assert found.of_home(Home.at(tmp_path / "elsewhere")) is None
    with pytest.raises(AmkpiError, match="no agency hue; known are hanoi, saigon"):
        found.of_code("hue")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HANOI, "group: Field required"),
        (GROUP, "agencies: Field required"),
        (GROUP + "agencies = []\n", "group.agencies: Extra inputs"),
        (GROUP + HANOI.replace("hanoi", "Hà Nội", 1), "agency Hà Nội: code: String should match"),
        (GROUP + HANOI + HANOI, "two agencies have the code hanoi"),
        (GROUP + HANOI + SAIGON.replace('home = "saigon"', 'home = "./hanoi"'), "two agencies have the home"),
        (GROUP + HANOI + SAIGON + 'landing = "hanoi/landing"\n', "two agencies have the landing"),
        (GROUP + HANOI + SAIGON + 'pool = "amkpi_hanoi"\n', "two agencies have the pool amkpi_hanoi"),
        (GROUP + HANOI + 'timezone = "Hanoi"\n', "agency hanoi: timezone: .*not a time zone"),
        (GROUP + HANOI + 'engine = "trino"\n', "agency hanoi: engine: Input should be 'duckdb' or 'spark'"),
        (GROUP + HANOI + 'time_zone = "UTC"\n', "agency hanoi: time_zone: Extra inputs"),
        (GROUP + '[[agencies]]\nname = "x"\nhome = "x"\n', "agency number 1: code: Field required"),
        (GROUP.replace("VND", "đồng") + HANOI, "group.reporting_currency: String should match"),
        (GROUP + HANOI + "[[", "not valid TOML"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(AmkpiError, match=told) as error:
        read(tmp_path, text)
    assert str(tmp_path / "agencies.toml") in str(error.value)


def test_the_variable_names_the_file(tmp_path: Path) -> None:
    assert agencies_file({}) is None
    assert agencies_file({"AMKPI_AGENCIES": str(tmp_path / "a.toml")}) == tmp_path / "a.toml"
    with pytest.raises(AmkpiError, match="cannot be read: No such file or directory; AMKPI_AGENCIES names this file"):
        read_agencies(tmp_path / "a.toml")
