"""agencies.toml: what it gives, and what each mistake in it is told as."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from amkpi.core.agencies import Agencies, agencies_file, current_agencies, read_agencies
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home

GROUP = '[group]\nname = "Sao Mai"\nreporting_currency = "VND"\n'
HANOI = '[[agencies]]\ncode = "hanoi"\nname = "Sao Mai Hà Nội"\nhome = "hanoi"\n'
SAIGON = '[[agencies]]\ncode = "saigon"\nname = "Sao Mai Sài Gòn"\nregion = "South"\nhome = "saigon"\n'
LEADERSHIP = 'leadership = [{address = "a@b.vn"}, %s]\n'


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
        (HANOI, "needs a table [group]"),
        (GROUP, "needs a table [[agencies]] for each agency"),
        ("agencies = []\n" + GROUP, "needs a table [[agencies]] for each agency"),
        (GROUP + HANOI.replace("[[agencies]]", "[agencies]"), "needs a table [[agencies]] for each agency"),
        (GROUP + HANOI.replace("agencies", "agency"), "agencies.toml: no key agency; did you mean agencies?"),
        (GROUP + "agencies = []\n", "group: no key agencies; known are name, reporting_currency, "),
        (GROUP + HANOI.replace('"hanoi"', '"Hanoi"', 1), "agency Hanoi: code 'Hanoi': write at most 40 lower-case"),
        (GROUP + HANOI + HANOI, "two agencies have the code hanoi: give each its own"),
        (
            GROUP + HANOI + SAIGON.replace('home = "saigon"', 'home = "./hanoi"'),
            "two agencies (hanoi and saigon) have the home",
        ),
        (GROUP + HANOI + SAIGON + 'landing = "hanoi/landing"\n', "(hanoi and saigon) have the landing"),
        (GROUP + HANOI + SAIGON + 'pool = "amkpi_hanoi"\n', "(hanoi and saigon) have the pool amkpi_hanoi: "),
        (GROUP + HANOI + 'pool = "của Hà Nội"\n', "agency hanoi: pool 'của Hà Nội': write letters without accents"),
        (GROUP + HANOI + 'timezone = "Hanoi"\n', "agency hanoi: timezone 'Hanoi': not a time zone; write it as"),
        (GROUP + HANOI + 'engine = "trino"\n', "agency hanoi: engine 'trino': must be 'duckdb' or 'spark'"),
        (GROUP + HANOI.replace("home", "hom"), "agency hanoi: no key hom; did you mean home?"),
        (GROUP + HANOI + 'landing = ""\n', "agency hanoi: landing '': must not be empty"),
        (GROUP + '[[agencies]]\nname = "x"\nhome = "x"\n', "agency number 1: needs a code"),
        (GROUP.replace("VND", "VNDD") + HANOI, "group.reporting_currency 'VNDD': write three capital letters, such as"),
        (GROUP + "most_days_behind = -1\n" + HANOI, "group.most_days_behind -1: must be greater than or equal to 0"),
        (GROUP + LEADERSHIP % '{address = "an"}' + HANOI, "leadership number 2: address 'an': write it as"),
        (GROUP + LEADERSHIP % '{language = "en"}' + HANOI, "leadership number 2: needs an address"),
        (GROUP + LEADERSHIP % '"b@c.vn"' + HANOI, "leadership number 2: must be a table of address, language"),
        (GROUP + 'leadership = "a@b.vn"\n' + HANOI, 'group: needs a list: leadership = [{address = "'),
        (GROUP + HANOI + "[[", "not valid TOML"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(AmkpiError, match=re.escape(told)) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "agencies.toml"))


def test_the_variable_names_the_file(tmp_path: Path) -> None:
    assert agencies_file({}) is None
    assert agencies_file({"AMKPI_AGENCIES": str(tmp_path / "a.toml")}) == tmp_path / "a.toml"
    with pytest.raises(AmkpiError, match="cannot be read: No such file or directory; AMKPI_AGENCIES names this file"):
        current_agencies({"AMKPI_AGENCIES": str(tmp_path / "a.toml")})
    with pytest.raises(AmkpiError, match=r"cannot be read: No such file or directory$"):
        read_agencies(tmp_path / "a.toml")
