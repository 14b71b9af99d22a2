"""Every example of docs/analysts.md does what the page says, on the agency that the page names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.paths import ROOT

PAGE = ROOT / "docs" / "analysts.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
# Not run: blocks that need a program which the project does not install, and those that make the agency.
SHOWN = {"console"}

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("analysts")]


@dataclass(frozen=True)
class Example:
    """A block of code of the page, with the heading above it."""

    heading: str
    language: str
    code: str


def examples() -> list[Example]:
    text = PAGE.read_text(encoding="utf-8")
    found = []
    for block in _BLOCK.finditer(text):
        heading = re.findall(r"^#+ (.+)$", text[: block.start()], re.M)[-1]
        found.append(Example(heading, block[1], block[2]))
    return found


def of(language: str) -> list[Any]:
    return [pytest.param(each, id=each.heading) for each in examples() if each.language == language]


def answer(home: Path, heading: str) -> list[dict[str, Any]]:
    """The rows of the SQL below the heading."""
    (sql,) = (each.code for each in examples() if each.heading == heading and each.language == "sql")
    return ask(home, sql)


def ask(home: Path, sql: str) -> list[dict[str, Any]]:
    file = (home / "published" / "current.duckdb").resolve()
    with duckdb.connect(str(file), read_only=True) as connection:
        result = connection.execute(sql)
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def environment(home: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AMKPI_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    return clean | {"AMKPI_HOME": str(home), "PATH": path}


def test_every_block_of_the_page_is_of_a_kind_that_is_run_or_only_shown() -> None:
    assert {each.language for each in examples()} == {"sql", "python", "sh"} | SHOWN
    assert len(of("sql")) >= 8


@pytest.mark.parametrize("example", of("sql"))
def test_a_query_of_the_page_answers(published_home: Path, example: Example) -> None:
    assert ask(published_home, example.code), f"{example.heading}: no rows"


@pytest.mark.parametrize("example", of("python"))
def test_a_program_of_the_page_runs(published_home: Path, tmp_path: Path, example: Example) -> None:
    result = subprocess.run(
        [sys.executable, "-c", example.code],
        env=environment(published_home), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"\d+\.\d% of \d+ projects due\n", result.stdout)


@pytest.mark.parametrize("example", of("sh"))
def test_a_command_of_the_page_runs(published_home: Path, tmp_path: Path, example: Example) -> None:
    result = subprocess.run(
        ["bash", "-eu", "-c", example.code],
        env=environment(published_home), cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    written = "".join(path.read_text(encoding="utf-8", errors="replace") for path in tmp_path.iterdir())
    assert len((result.stdout + written).splitlines()) > 2


def test_the_82_per_cent_are_nine_of_the_projects_that_the_page_lists(published_home: Path) -> None:
    projects = answer(published_home, "The nine projects behind the 82%")
    assert [row["on_time"] for row in projects].count(True) == 9
    ((value,),) = (
        tuple(row.values())
        for row in ask(
            published_home,
            "select value from marts.kpi_values where kpi = 'on_time_delivery_rate' and scope = 'own'"
            " and staff_id = 'NV005' and period_grain = 'quarter' and period_start = date '2026-01-01'",
        )
    )
    assert value == pytest.approx(9 / len(projects))
    assert f"{value:.0%}" == "82%"


def test_revenue_by_client_adds_up_to_the_companys(published_home: Path) -> None:
    clients = answer(published_home, "Revenue by client, this year")
    (company,) = ask(
        published_home,
        "select value from marts.kpi_values where kpi = 'client_revenue' and scope = 'company'"
        " and period_grain = 'year' and period_start = date '2026-01-01'",
    )
    assert sum(row["revenue"] for row in clients) == pytest.approx(company["value"])


def test_both_spoiled_rows_are_named_as_held_back(published_home: Path) -> None:
    held = answer(published_home, "What is held back, and what does it do to the figures")
    assert {row["reason"] for row in held} == {"unknown_reference", "bad_type"}
    assert sum(row["rows_held_back"] for row in held) == 2
