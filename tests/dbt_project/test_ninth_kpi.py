"""A KPI more is a model with its yml and its unit test, and no other change: it is seen everywhere.

The model is tests/fixtures/ninth_kpi. A copy of the project gets it, and runs a sample agency from extracts to mails.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.paths import ROOT

NAME = "survey_answer_rate"
FILES = ROOT / "tests" / "fixtures" / "ninth_kpi"
# One process for all: it imports dbt and the audit once.
PROGRAM = """
import contextlib, io, json, sys
from datetime import date
from pathlib import Path

from amkpi.core.home import Home
from amkpi.core.settings import load_settings
from amkpi.interfaces.cli.main import main
from amkpi.transform.dbt_runner import run_dbt
from amkpi.transform.manifest_cache import TESTS_OF_THE_PROJECT
from tools.docs import extracts, kpis

home, day = sys.argv[1:]

def amkpi(*arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(arguments)
    return {"code": code, "stdout": out.getvalue()}

# One pass over the commands, in the order of a night.
found = {
    "sample": amkpi("sample", f"{home}/landing", "--scale", "0.3", "--months", "14", "--as-of", day),
    "run": amkpi("run", "--home", home, "--as-of", day),
    "explain": amkpi("explain", "9", "2026-09", "--home", home, "--as-of", day, "--format", "json", "--lang", "vi"),
    "screen": amkpi("explain", "survey", "2026-09", "--home", home, "--as-of", day),
    "scorecards": amkpi("scorecards", "--period", "2026-09", "--home", home, "--as-of", day),
}
at = Home.at(Path(home))
arguments = ["test", "--select", "kpi_survey_answer_rate,test_type:unit", "every_kpi_arrives"]
found["tests of dbt"] = run_dbt(at, load_settings(at), date.fromisoformat(day), arguments, lambda line: None)
arguments = ["test", "--select", *TESTS_OF_THE_PROJECT]
found["keys"] = run_dbt(at, load_settings(at), date.fromisoformat(day), arguments, lambda line: None)
found["pages"] = {"kpis": kpis.page("vi"), "readme": kpis.questions(), "extracts": extracts.page("en")}
print(json.dumps(found))
"""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Agency:
    """The copy's agency: its HOME, and what the commands printed."""

    home: Path
    found: dict[str, Any]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query on the publication gives."""
        with duckdb.connect(str((self.home / "published" / "current.duckdb").resolve()), read_only=True) as connection:
            connection.execute("set search_path = 'marts'")
            return connection.execute(sql).fetchall()


# 25 s on two cores, most of it for dbt: it parses the copy, and builds it.
@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    copy, home = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("home")
    for package in ("amkpi", "tools"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__", "target", "logs"))
    for path in FILES.iterdir():
        shutil.copy(path, copy / "amkpi" / "dbt_project" / "models" / "kpis")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AMKPI_")}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home), "2026-10-17"],
        # The audit runs in a process of its own, which does not look into the current folder.
        cwd=copy, env={**variables, "PYTHONPATH": str(copy), "AMKPI_SETTLE_SECONDS": "0", "NO_COLOR": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    yield Agency(home, json.loads(ended.stdout.splitlines()[-1]))
    shutil.rmtree(copy)


def test_every_command_succeeds_and_the_audit_lets_it_through(agency: Agency) -> None:
    for command in ("sample", "run", "explain", "screen", "scorecards"):
        assert agency.found[command]["code"] == 0, agency.found[command]["stdout"]
    assert "Survey answers" in agency.found["run"]["stdout"]
    blocking = agency.ask(
        "select expectation, observed from quality_results where severity = 'blocking' and not success"
    )
    assert blocking == []


def test_its_unit_test_runs_with_those_of_the_project(agency: Agency) -> None:
    assert agency.found["tests of dbt"] == [1, 1]


def test_the_keys_and_columns_of_every_model_are_as_declared(agency: Agency) -> None:
    """Of the whole project, here because this agency is built: `not_null`, `unique`, `relationships` and others."""
    models, tests = agency.found["keys"]
    assert models == 0
    assert tests > 150


def test_its_values_are_exact_for_everybody_in_every_period(agency: Agency) -> None:
    """A supporting measure counts the same by another way: by its own records and its own roll-up."""
    where = "using (scope, period_grain, period_start) where kpi.staff_id is not distinct from measure.staff_id"
    compared = agency.ask(
        "select count(*), count(kpi.value), count(distinct kpi.value), count(*) filter (where"
        " kpi.value is distinct from measure.value or kpi.numerator is distinct from measure.numerator"
        " or kpi.denominator is distinct from measure.denominator or kpi.sample_size <> measure.denominator"
        " or (kpi.value is null) <> (kpi.null_reason is not distinct from 'no_surveys'))"
        f" from (from kpi_values where kpi = '{NAME}') as kpi"
        f" join (from supporting_measures where measure = 'survey_response_rate') as measure {where}"
    )
    ((rows, values, different, wrong),) = compared
    assert wrong == 0
    assert rows == agency.ask("select count(*) from kpi_values where kpi = 'client_revenue'")[0][0] > 500
    assert values > 300
    assert different > 20
    without_interval = (
        f"select count(*) from kpi_values where kpi = '{NAME}' and (wilson_low is null) <> (value is null)"
    )
    assert agency.ask(without_interval) == [(0,)]


def test_its_records_are_its_evidence_and_add_up(agency: Agency) -> None:
    differ = agency.ask(
        f"""
        with evidence as (
            select staff_id, period_grain, period_start, sum(numerator) as numerator, sum(denominator) as denominator
            from kpi_evidence where kpi = '{NAME}' and staff_id is not null group by all
        )
        select count(*) from (from kpi_values where kpi = '{NAME}' and scope = 'own') as shown
        left join evidence using (staff_id, period_grain, period_start)
        where shown.numerator <> coalesce(evidence.numerator, 0)
            or shown.denominator <> coalesce(evidence.denominator, 0)
        """
    )
    assert differ == [(0,)]


def test_it_has_targets_and_a_part_in_the_score(agency: Agency) -> None:
    lines = agency.ask(
        "select distinct target, weight from scorecard_lines"
        f" where kpi = '{NAME}' and scope = 'company' and period_start = '2026-09-01'"
    )
    assert lines == [(0.9, 5.0)]
    assert agency.ask("select max(kpis_scored) from scorecards") == [(9,)]


def test_explain_shows_its_records_in_its_own_words(agency: Agency) -> None:
    told = json.loads(agency.found["explain"]["stdout"])
    (shown,) = agency.ask(
        f"select value, numerator, denominator from kpi_values where kpi = '{NAME}' and scope = 'company'"
        " and period_grain = 'month' and period_start = '2026-09-01'"
    )
    assert (told["value"], told["numerator"], told["denominator"]) == shown
    assert told["sentence"].startswith("Tỷ lệ trả lời khảo sát, Toàn công ty")
    assert len(told["counted"]) == shown[2]
    assert sum(record["numerator"] for record in told["counted"]) == shown[1]
    screen = agency.found["screen"]["stdout"]
    for text in ("KPI 9 survey_answer_rate", "Surveys answered", "the owner of the survey's project"):
        assert text in screen, screen


def test_every_mail_has_it(agency: Agency) -> None:
    mails = [BytesParser(policy=default).parse(path.open("rb")) for path in (agency.home / "outbox").glob("*.eml")]
    assert len(mails) > 5
    short = []
    for mail in mails:
        for kind in ("plain", "html"):
            body = mail.get_body((kind,))
            assert body
            text = body.get_content()
            assert "Tỷ lệ trả lời khảo sát" in text or "Survey answers" in text
            short.append("T.lời" in text or "Answ." in text)
    assert any(short)  # the matrix of a team


def test_the_pages_and_the_contract_of_the_targets_have_it(agency: Agency) -> None:
    pages = agency.found["pages"]
    assert "## 9. Tỷ lệ trả lời khảo sát (`survey_answer_rate`)" in pages["kpis"]
    assert "không gửi khảo sát nào: `no_surveys`" in pages["kpis"]
    assert "How many of the surveys sent were answered?" in pages["readme"]
    assert NAME in pages["extracts"]
