"""`amkpi explain`: what is shown adds up to what is published, and what is missing is named."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from amkpi.core.catalogue import kpis
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.language.periods import Period
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from amkpi.explain.arguments import find_kpi, period_key
from amkpi.explain.evidence import Explanation, Scope, explain
from amkpi.explain.render import as_csv, as_json, show
from amkpi.explain.text import EXCLUDED, change, numbers, sentence
from tests.command_line import amkpi, failed
from tests.conftest import AS_OF, Agency
from tests.oracle.agencies import random_agency

# Two agencies are built, each once: in one process. dbt takes 10 s of CPU for the first.
pytestmark = pytest.mark.slow

# Lan reports to Dũng until 14 September, then to Hoa; client C is hers.
AGENCY = {
    "staff/s.csv": """staff_id,valid_from,full_name,role,manager_id,is_active
LAN,2026-01-01,Trần Thị Lan,account_manager,DUNG,true
LAN,2026-09-15,Trần Thị Lan,account_manager,HOA,true
DUNG,2026-01-01,Lê Dũng,account_director,,true
HOA,2026-01-01,Phạm Hoa,account_director,,true
X1,2026-01-01,Người Một,designer,,true
X2,2026-01-01,Người Hai,designer,,true
X3,2026-01-01,Người Ba,planner,,true
""",
    "clients/c.csv": "client_id,client_name\nC,Trà Xanh\nD,Bia Sen\n",
    "client_assignments/a.csv": "client_id,account_manager_id,valid_from\nC,LAN,2026-01-01\n",
    "contracts/k.csv": """contract_id,client_id,owner_id,kind,\
signed_date,start_date,end_date,amount,currency,cancelled_date
K1,C,LAN,new_business,2026-09-01,2026-09-01,2026-09-10,1000,VND,2026-09-06
K2,C,LAN,renewal,2026-09-02,2026-09-01,2026-12-31,400,VND,
K3,D,,new_business,2026-09-03,2026-09-03,2026-09-30,70,VND,
""",
    "projects/p.csv": """project_id,client_id,owner_id,project_name,start_date,committed_due_date,\
agreed_due_date,agreed_on,delivered_date,cancelled_date,budget_amount,currency
P1,C,LAN,một,2026-08-01,2026-09-10,,,2026-09-10,,100,VND
P2,C,,hai,2026-08-01,2026-09-20,,,2026-09-25,,,VND
P3,C,LAN,ba,2026-08-01,2026-09-01,2026-09-30,2026-08-20,,2026-09-30,,VND
P4,C,LAN,bốn,2026-08-01,2026-10-30,,,,,,VND
P5,C,LAN,năm,2026-08-01,2026-08-31,,,2026-09-12,,50,VND
P6,C,LAN,sáu,2026-07-01,2026-08-01,,,2026-09-01,2026-10-01,50,VND
P8,C,LAN,tám,2026-08-01,2026-10-28,2026-11-30,2026-10-29,,,,VND
P7,D,,bảy,2026-07-01,not a date,,,,,,VND
""",
    "project_costs/x.csv": "cost_id,project_id,cost_date,amount,currency\nX1,P1,2026-09-01,80,VND\n",
    "proposals/b.csv": """proposal_id,client_id,owner_id,kind,amount,\
currency,sent_date,outcome,decided_date,supersedes_proposal_id
B1,C,LAN,upsell,5,VND,2026-09-01,open,,
B2,C,LAN,upsell,5,VND,2026-09-05,won,2026-09-09,B1
""",
    "client_surveys/s.csv": """response_id,client_id,project_id,sent_date,responded_date,score,scale_min,scale_max
S1,C,,2026-09-01,2026-09-02,5,1,5
S2,C,,2026-09-01,2026-09-03,,1,5
S3,C,,2026-09-04,,,1,5
""",
    "peer_reviews/r.csv": """review_id,account_manager_id,reviewer_id,reviewer_department,\
review_date,teamwork_score,project_management_score,scale_min,scale_max
REV1,LAN,X1,phòng-thiết-kế,2026-09-01,4,4,1,5
REV2,LAN,X2,phòng-thiết-kế,2026-09-02,4,4,1,5
REV3,LAN,X3,phòng-kế-hoạch,2026-09-03,2,2,1,5
REV4,LAN,LAN,phòng-khách-hàng,2026-09-03,5,5,1,5
REV5,LAN,X3,phòng-kế-hoạch,2026-09-04,,,1,5
REV6,LAN,X3,phòng-kế-hoạch,2026-09-05,9,9,1,5
REV7,DUNG,X3,phòng-kế-hoạch,2026-09-05,3,3,1,5
""",
}  # fmt: skip


def agency_at(root: Path) -> Agency:
    """An agency that outlives one test: a build takes ten seconds."""
    home = Home.at(root)
    home.make()
    agency = Agency(Run(home, load_settings(home, {"AMKPI_SETTLE_SECONDS": "0"}), AS_OF))
    agency.run = replace(agency.run, now=lambda: agency.moment)
    return agency


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Run:
    agency = agency_at(tmp_path_factory.mktemp("small"))
    agency.load(AGENCY)
    agency.build()
    agency.publish_unaudited()
    return agency.run


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Run:
    agency = agency_at(tmp_path_factory.mktemp("random"))
    for files in random_agency(17, as_of=AS_OF, size="medium"):
        agency.load(files)
    agency.build()
    agency.publish_unaudited()
    return agency.run


def left_out(told: Explanation) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {}
    for record in told.excluded:
        found.setdefault(record.reason, []).append(record.source_id)
    return found


def asked(run: Run, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(run.home.current.resolve()), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def some_values(run: Run, kpi: str, scope: str, most: int) -> Iterator[tuple[Any, ...]]:
    """Values of a KPI and scope, drawn by a seed, mostly of those that have records."""
    rows = asked(
        run,
        "select staff_id, period_grain, period_end, numerator, denominator, sample_size from marts.kpi_values"
        f" where kpi = '{kpi}' and scope = '{scope}' order by all",
    )
    assert rows
    full = [row for row in rows if row[5]]
    assert full, f"{kpi} of scope {scope} has no value with records: the test would compare nothing"
    draw = Random(f"{kpi}/{scope}")
    yield from draw.sample(full, min(most, len(full)))
    yield draw.choice(rows)


def told_of(run: Run, kpi: str, scope: Scope, row: tuple[Any, ...]) -> Explanation:
    staff_id, grain, end = row[:3]
    return explain(run, kpi, staff_id, period_key(Period.ending(grain, end.replace(day=1))), scope)


@pytest.mark.parametrize("scope", ["own", "team", "company"])
@pytest.mark.parametrize("kpi", "1234567")
def test_the_records_shown_add_up_to_the_numerator_and_denominator_shown(random: Run, kpi: str, scope: Scope) -> None:
    name = find_kpi(kpi).name
    for row in some_values(random, name, scope, most=8):
        told = told_of(random, kpi, scope, row)
        assert sum(record.numerator for record in told.counted) == pytest.approx(row[3], rel=1e-9, abs=1e-6), row
        denominators = [record.denominator for record in told.counted if record.denominator is not None]
        assert sum(denominators) == pytest.approx(row[4] or 0, rel=1e-9, abs=1e-6), row
        assert sum(record.samples for record in told.counted) == row[5], row
        assert told.value.numerator == row[3]


def test_what_was_left_out_is_what_the_supporting_measures_count(random: Run) -> None:
    measures = {
        tuple(key): (numerator, denominator)
        for *key, numerator, denominator in asked(
            random,
            "select measure, scope, staff_id, period_grain, period_end, numerator, denominator"
            " from marts.supporting_measures",
        )
    }
    seen: Counter[str] = Counter()
    scopes: tuple[Scope, ...] = ("own", "team", "company")
    for kpi, scope in product(("client_revenue", "client_satisfaction", "cost_to_budget_ratio"), scopes):
        for row in some_values(random, kpi, scope, most=12):
            told = told_of(random, kpi, scope, row)
            reasons = Counter(record.reason for record in told.excluded)
            seen += reasons
            value = (scope, *row[:3])
            if kpi == "client_revenue":
                renewed = sum(record.amount or 0 for record in told.excluded)
                assert renewed == pytest.approx(measures["revenue_renewal", *value][0], rel=1e-9, abs=1e-6), value
            elif kpi == "client_satisfaction":
                answered, sent = measures["survey_response_rate", *value]
                assert reasons["not_answered"] == sent - answered, value
            else:
                assert reasons["no_budget"] == measures["projects_without_budget", *value][0], value
                assert reasons["no_costs"] == measures["projects_without_costs", *value][0], value
    assert seen.keys() >= {"kind_not_counted", "not_answered", "no_budget", "no_costs"}


def test_every_project_proposal_and_survey_either_counts_or_is_left_out(random: Run) -> None:
    everything = {
        "on_time_delivery_rate": "stg_projects where true",
        "client_satisfaction": "stg_client_surveys where sent_date",
        "contract_win_rate": "stg_proposals where sent_date",
        "cost_to_budget_ratio": "stg_projects where delivered_date",
    }
    with duckdb.connect(str(random.home.warehouse), read_only=True) as connection:
        for kpi, records in everything.items():
            happened = "" if records.endswith("true") else f" <= date '{AS_OF}'"
            ((wanted,),) = connection.execute(f"select count(*) from staging.{records}{happened}").fetchall()
            said = [
                source_id
                for table in ("int_kpi_records", "int_exclusions")
                for (source_id,) in asked(random, f"select source_id from internal.{table} where kpi = '{kpi}'")
            ]
            assert wanted > 100
            assert len(said) == len(set(said)) == wanted, kpi
    ((reasons,),) = asked(random, "select list(distinct reason) from internal.int_exclusions")
    assert set(reasons) == set(EXCLUDED), "every reason is visited, and has its words"


def test_the_answer_stands_in_the_first_sentence(small: Run) -> None:
    told = explain(small, "3", "LAN", "2026-09", None)
    assert sentence(told, "en") == "On-time delivery, Trần Thị Lan, September 2026: 50.0% = 1 / 2 projects due"
    assert sentence(told, "vi") == "Tỷ lệ giao đúng hạn, Trần Thị Lan, tháng 9 năm 2026: 50,0% = 1 / 2 dự án đến hạn"
    assert [(r.source_id, r.numerator, r.full_name) for r in told.counted] == [
        ("P2", 0.0, "Trần Thị Lan"), ("P1", 1.0, "Trần Thị Lan"),
    ]  # fmt: skip


def test_money_is_explained_by_what_was_signed_and_what_cancellations_took_back(small: Run) -> None:
    told = explain(small, "client_rev", "LAN", "2026-09", None)
    assert sentence(told, "en") == "Client revenue, Trần Thị Lan, September 2026: 500 VND from 1 contract signed"
    assert numbers(told, "en") == "signed 1,000 VND (1) − taken back 500 VND (1 cancelled) = 500 VND"
    assert numbers(told, "vi") == "đã ký 1.000 VND (1) − bị lấy lại 500 VND (1 bị hủy) = 500 VND"
    assert [(record.reason, record.detail, record.amount) for record in told.excluded] == [
        ("kind_not_counted", "renewal", 400.0)
    ]


def test_a_record_without_credit_counts_for_the_company_alone(small: Run) -> None:
    told = explain(small, "1", None, "2026-09", None)
    assert told.question.scope == "company"
    assert [record.source_id for record in told.counted if record.staff_id is None] == ["K3"]
    assert sum(record.numerator for record in told.counted) == 570


def test_a_teams_records_are_those_of_the_people_under_it_on_the_day(small: Run) -> None:
    before, after = (explain(small, "3", who, "2026-09", "team") for who in ("DUNG", "HOA"))
    assert [record.source_id for record in before.counted] == ["P1"], "due while Lan was under Dũng"
    assert [record.source_id for record in after.counted] == ["P2"]
    assert left_out(after) == {"cancelled_by_due_date": ["P3"]}
    assert left_out(before) == {}
    assert "team of Phạm Hoa" in sentence(after, "en")


@pytest.mark.parametrize(
    ("kpi", "period", "expected"),
    [
        ("3", "2026-09", {"cancelled_by_due_date": ["P3"]}),
        ("3", "2026-10", {"not_due_yet": ["P8", "P4"]}),
        ("4", "2026-09", {"no_score": ["S2"], "not_answered": ["S3"]}),
        ("5", "2026-09", {"superseded": ["B1"]}),
        ("7", "2026-09", {"cancelled": ["P6"], "no_budget": ["P2"], "no_costs": ["P5"]}),
        ("8", "2026-09", {"no_score": [None], "self_review": [None]}),
    ],
)
def test_what_does_not_count_is_named_with_its_reason(
    small: Run, kpi: str, period: str, expected: dict[str, list[str | None]]
) -> None:
    assert left_out(explain(small, kpi, "LAN", period, None)) == expected


def test_what_is_cancelled_or_superseded_says_when_and_by_what(small: Run) -> None:
    (cancelled,) = explain(small, "3", "LAN", "2026-09", None).excluded
    assert (cancelled.event_date.isoformat(), cancelled.detail) == ("2026-09-30", "2026-09-30")
    (superseded,) = explain(small, "5", "LAN", "2026-09", None).excluded
    assert superseded.detail == "B2"


def test_rows_held_back_are_named_by_file_and_line(small: Run) -> None:
    (held,) = explain(small, "3", "LAN", "2026-09", None).quarantined
    assert (held.extract, held.reason, held.rows, held.places) == ("projects", "bad_type", 1, ("projects/p.csv:9",))


def test_a_collaboration_score_never_names_a_review_a_reviewer_or_a_department(
    small: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for who, period in (("LAN", "2026-09"), ("LAN", "2026"), ("DUNG", "2026-09")):
        told = explain(small, "8", who, period, None)
        assert told.counted == ()
        texts = [as_csv(told), json.dumps(as_json(told, "vi"), ensure_ascii=False)]
        show(told, "table", "vi")
        for text in [*texts, capsys.readouterr().out]:
            for secret in ("REV", "phòng-", "X1", "X2", "X3", "Người", "r.csv"):
                assert secret not in text, text
    told = explain(small, "8", "LAN", "2026-09", None)
    # 75 and 75 of one department, 25 of the other.
    assert sentence(told, "en") == "Internal collaboration, Trần Thị Lan, September 2026: 50.0 from 3 reviewers"
    assert [(left.reason, left.records) for left in told.excluded] == [("no_score", 1), ("self_review", 1)]
    assert [(held.reason, held.rows, held.places) for held in told.quarantined] == [("out_of_range", 1, ())]
    published = "select * from internal.int_exclusions where source_extract = 'peer_reviews'"
    assert not any("REV" in str(cell) for row in asked(small, published) for cell in row)


def test_where_there_is_no_value_the_reason_is_said_in_words(small: Run) -> None:
    few = explain(small, "8", "DUNG", "2026-09", None)
    assert sentence(few, "en").endswith("no value: too few reviewers to show a value")
    assert sentence(few, "vi").endswith("chưa có giá trị: quá ít người đánh giá để nêu số")
    none = explain(small, "4", "DUNG", "2026-09", None)
    assert sentence(none, "en").endswith("no value: no survey was answered")
    reasons = {reason for (reason,) in asked(small, "select distinct null_reason from marts.kpi_values")}
    assert reasons - {None} == {reason for kpi in kpis() for reason in kpi.null_reasons}


def test_the_change_is_told_against_the_period_before(small: Run) -> None:
    told = explain(small, "3", "LAN", "2026-09", None)
    assert change(told, "en") == "+50.0 percentage points from 0.0% in August 2026"
    assert change(explain(small, "3", "LAN", "2026", None), "vi") == "2025 không có giá trị để so sánh"


def test_csv_has_every_record_and_its_counted_rows_add_up(small: Run) -> None:
    told = explain(small, "7", None, "2026-Q3", None)
    rows = list(csv.DictReader(io.StringIO(as_csv(told))))
    counted = [row for row in rows if row["part"] == "counted"]
    assert sum(float(row["numerator"]) for row in counted) == told.value.numerator == 80
    assert {row["source_id"]: row["reason"] for row in rows if row["part"] == "left_out"} == {
        "P6": "cancelled", "P2": "no_budget", "P5": "no_costs",
    }  # fmt: skip
    assert {row["period"] for row in rows} == {"2026-Q3"}


def test_csv_of_a_score_is_one_line_without_client_or_source(small: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(explain(small, "8", "LAN", "2026-09", None)))))
    (counted,) = [row for row in rows if row["part"] == "counted"]
    assert float(counted["numerator"]) == 50
    assert not counted["client_id"]
    assert not counted["source_id"]


def test_the_screen_shows_records_what_was_left_out_and_where_the_definition_stands(
    small: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    show(explain(small, "on-time", "LAN", "2026-09", None), "table", "en")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("On-time delivery, Trần Thị Lan, September 2026: 50.0% = 1 / 2")
    text = "\n".join(lines)
    for part in ("Projects on time 1 ÷ Projects due 2 = 50.0%", "95%, Wilson", "01/09/2026 to 30/09/2026", "P2",
                 "Trà Xanh", "cancelled on or before the due date", "P3 2026-09-30 (Trà Xanh)", "projects/p.csv:9",
                 "dbt_project/models/kpis/kpi_on_time_delivery_rate.sql"):  # fmt: skip
        assert part in text, part
    show(explain(small, "5", "LAN", "2026-09", None), "table", "en")
    assert "B1 → B2 (Trà Xanh)" in capsys.readouterr().out
    show(explain(small, "7", None, "2026-10", None), "table", "vi")
    assert "tạm tính: dữ liệu đến hết 17/10/2026" in capsys.readouterr().out


def test_json_holds_numbers_as_the_marts_have_them(small: Run, capsys: pytest.CaptureFixture[str]) -> None:
    show(explain(small, "3", "LAN", "t12m:2026-09", None), "json", "en")
    told = json.loads(capsys.readouterr().out)
    assert told["value"] == 0.25
    assert (told["numerator"], told["denominator"]) == (1.0, 4.0)
    assert told["period"] == {
        "key": "t12m:2026-09",
        "grain": "trailing_12m",
        "start": "2025-10-01",
        "end": "2026-09-30",
    }
    assert {record["source_id"] for record in told["counted"]} == {"P1", "P2", "P5", "P6"}


@pytest.mark.parametrize(
    ("kpi", "who", "period", "scope", "said"),
    [
        ("3", "x1", "2026-09", None, r"did you mean X1 \(Người Một\)"),
        ("3", "thị lan", "2026-09", None, r"did you mean LAN \(Trần Thị Lan\)"),
        ("3", "DUNGG", "2026-09", None, r"did you mean DUNG \(Lê Dũng\)"),
        ("3", "Q9", "2026-09", None, "from dim_staff"),
        (
            "3",
            "LAN",
            "2031-01",
            None,
            r"Trần Thị Lan \(LAN\) has no own value for 2031-01: there are 2026-07 to 2026-10",
        ),
        ("3", None, "2020", None, "the company has no value for 2020: there are 2026"),
        ("3", "LAN", "2026-09", "team", "never had account staff under them"),
        ("3", "X1", "2026-09", None, "never account staff"),
        ("3", None, "2026-09", "own", "needs a STAFF_ID"),
        ("3", "LAN", "2026-09", "company", "leave STAFF_ID out"),
    ],
)
def test_what_cannot_be_explained_is_said_in_one_line_with_the_mend(
    small: Run, kpi: str, who: str | None, period: str, scope: Scope | None, said: str
) -> None:
    with pytest.raises(AmkpiError, match=said) as caught:
        explain(small, kpi, who, period, scope)
    assert "\n" not in str(caught.value)


def test_the_command_takes_a_person_and_a_period_or_a_period_alone(small: Run) -> None:
    home = small.home.root
    assert (
        "Trần Thị Lan, tháng 9 năm 2026: 50,0%"
        in amkpi(home, "explain", "3", "LAN", "2026-09", "--scope", "own", "--lang", "vi").stdout
    )
    assert json.loads(amkpi(home, "explain", "3", "2026-09", "--format", "json").stdout)["scope"] == "company"
    failed(amkpi(home, "explain", "3", "NOBODY", "2026-09"), 1)
    for wrong in (["3"], ["3", "LAN", "2026-09", "more"], ["3", "2026-09", "--lang", "fr"]):
        assert amkpi(home, "explain", *wrong).code == 2
