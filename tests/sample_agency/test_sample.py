"""The sample agency: reproducible, valid, and with every result that the KPIs know."""

import csv
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from amkpi.sample_agency import write_sample
from amkpi.sample_agency.landing import COLUMNS
from tests.oracle.oracle import Marts, compute

MID_MONTH = date(2026, 10, 17)
MONTH_END = date(2026, 10, 31)
AFTER_TET = date(2026, 2, 20)
AS_OFS = [
    pytest.param(MID_MONTH, marks=pytest.mark.slow),
    pytest.param(MONTH_END, marks=[pytest.mark.slow, pytest.mark.long]),
    pytest.param(AFTER_TET, marks=pytest.mark.slow),
]

KEYS = {
    "staff": ("staff_id", "valid_from"),
    "client_assignments": ("client_id", "valid_from"),
    "kpi_targets": ("kpi", "scope", "period_grain", "staff_id", "role", "valid_from"),
    "fx_rates": ("currency", "rate_date"),
}
REFERENCES = {
    "client_id": ("clients", "client_id"),
    "project_id": ("projects", "project_id"),
    "contract_id": ("contracts", "contract_id"),
    "proposal_id": ("proposals", "proposal_id"),
    "supersedes_proposal_id": ("proposals", "proposal_id"),
    "owner_id": ("staff", "staff_id"),
    "manager_id": ("staff", "staff_id"),
    "account_manager_id": ("staff", "staff_id"),
    "reviewer_id": ("staff", "staff_id"),
    "staff_id": ("staff", "staff_id"),
}
# A project is due, a contract starts and ends in the future; everything else has happened.
DATES_OF_WHAT_HAPPENED = (
    "sent_date", "decided_date", "signed_date", "cancelled_date", "agreed_on", "delivered_date", "cost_date",
    "responded_date", "review_date", "valid_from", "rate_date",
)  # fmt: skip
RATINGS = {"A+", "A", "B", "C", "D", None}
STATUSES = {"no_data", "no_target", "on_target", "at_risk", "off_target"}
NULL_REASONS = {
    "no_opening_clients", "nothing_due", "no_responses", "no_proposals", "nothing_delivered", "no_reviews",
    "too_few_raters", "period_running",
}  # fmt: skip

Rows = list[dict[str, str]]
Files = Callable[[date], dict[str, bytes]]
Computed = Callable[[date], Marts]


def files_of(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


def rows_of(files: dict[str, bytes], extract: str) -> Rows:
    text = files[f"{extract}/{extract}.csv"].decode("utf-8")
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Files of the default agency as of a day, written once."""

    @cache
    def written(as_of: date) -> dict[str, bytes]:
        directory = tmp_path_factory.mktemp("agency")
        write_sample(directory, as_of=as_of)
        return files_of(directory)

    return written


@pytest.fixture(scope="module")
def marts(agency: Files) -> Computed:
    """What the reference implementation makes of it."""

    @cache
    def computed(as_of: date) -> Marts:
        return compute([agency(as_of)], as_of)

    return computed


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_sample(tmp_path / name, seed=3, months=4, scale=0.5, as_of=MID_MONTH)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_another_seed_gives_another_agency(tmp_path: Path) -> None:
    for seed in (3, 4):
        write_sample(tmp_path / str(seed), seed=seed, months=4, scale=0.5, as_of=MID_MONTH)
    one, other = files_of(tmp_path / "3"), files_of(tmp_path / "4")
    assert one.keys() == other.keys()
    # The targets are the agency's policy; only those of single people would differ.
    assert [name for name in one if one[name] == other[name]] == ["kpi_targets/kpi_targets.csv"]


def test_there_is_one_file_an_extract_and_its_rows_are_counted(tmp_path: Path) -> None:
    counts = write_sample(tmp_path, months=4, as_of=MID_MONTH)
    files = files_of(tmp_path)
    assert set(files) == {f"{extract}/{extract}.csv" for extract in COLUMNS}
    assert counts == {extract: len(rows_of(files, extract)) for extract in COLUMNS}
    assert all(counts.values())


def test_a_sample_that_fails_leaves_the_earlier_one_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sample(tmp_path, months=2, scale=0.2, as_of=MID_MONTH)
    before = files_of(tmp_path)

    def disk_is_full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("amkpi.sample_agency.agency.review_everybody", disk_is_full)
    with pytest.raises(OSError, match="no space left"):
        write_sample(tmp_path, months=2, scale=0.2, seed=8, as_of=MID_MONTH)
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("as_of", AS_OFS)
def test_no_row_is_quarantined(marts: Computed, as_of: date) -> None:
    assert marts(as_of).quarantined_rows == []
    assert {row["status"] for row in marts(as_of).load_ledger} == {"loaded"}
    assert not marts(as_of).manager_loop


@pytest.mark.parametrize("as_of", [MID_MONTH, MONTH_END, AFTER_TET])
def test_keys_are_unique_and_every_reference_resolves(agency: Files, as_of: date) -> None:
    extracts = {extract: rows_of(agency(as_of), extract) for extract in COLUMNS}
    for extract, rows in extracts.items():
        key = KEYS.get(extract, COLUMNS[extract][:1])
        assert max(Counter(tuple(row[column] for column in key) for row in rows).values()) == 1, extract
    for extract, rows in extracts.items():
        for column in REFERENCES.keys() & set(COLUMNS[extract]):
            target, target_key = REFERENCES[column]
            known = {row[target_key] for row in extracts[target]} | {""}
            assert {row[column] for row in rows} <= known, (extract, column)


@pytest.mark.parametrize("as_of", [MID_MONTH, MONTH_END, AFTER_TET])
def test_nothing_has_happened_after_as_of(agency: Files, as_of: date) -> None:
    for extract, columns in COLUMNS.items():
        happened = set(columns) & set(DATES_OF_WHAT_HAPPENED)
        latest = max((row[column] for row in rows_of(agency(as_of), extract) for column in happened), default="")
        assert latest <= as_of.isoformat(), extract
    assert max(row["start_date"] for row in rows_of(agency(as_of), "projects")) <= as_of.isoformat()


def test_some_promises_lie_in_the_future(agency: Files) -> None:
    today = MID_MONTH.isoformat()
    assert any(row["committed_due_date"] > today for row in rows_of(agency(MID_MONTH), "projects"))
    assert any(row["end_date"] > today for row in rows_of(agency(MID_MONTH), "contracts"))


@pytest.mark.parametrize("as_of", AS_OFS)
def test_every_rating_status_and_null_reason_occurs(marts: Computed, as_of: date) -> None:
    assert {row["rating"] for row in marts(as_of).scorecards} == RATINGS
    assert {row["status"] for row in marts(as_of).scorecard_lines} == STATUSES
    assert {row["null_reason"] for row in marts(as_of).kpi_values} == NULL_REASONS | {None}


@pytest.mark.parametrize("as_of", [MID_MONTH, MONTH_END, AFTER_TET])
def test_every_kind_of_contract_is_cancelled_before_its_start_and_midway(agency: Files, as_of: date) -> None:
    stages = {
        (row["kind"], row["cancelled_date"] <= row["start_date"])
        for row in rows_of(agency(as_of), "contracts")
        if row["cancelled_date"] and row["cancelled_date"] <= row["end_date"]
    }
    kinds = {"new_business", "renewal", "upsell", "cross_sell"}
    assert stages == {(kind, before_start) for kind in kinds for before_start in (True, False)}


def last_closed(as_of: date, grain: str) -> date:
    """The start of the last month, quarter or year that is over on as_of."""
    tomorrow = as_of + timedelta(days=1)
    length = {"month": 1, "quarter": 3, "year": 12}[grain]
    months = tomorrow.year * 12 + tomorrow.month - 1
    start = months - months % length - length
    return date(start // 12, start % 12 + 1, 1)


@pytest.mark.parametrize("grain", ["month", "quarter", "year"])
@pytest.mark.parametrize("as_of", AS_OFS)
def test_most_account_managers_are_rated_and_not_all_alike(
    agency: Files, marts: Computed, as_of: date, grain: str
) -> None:
    managers = {row["staff_id"] for row in rows_of(agency(as_of), "staff") if "account_manager" in row["role"]}
    ratings = [
        row["rating"]
        for row in marts(as_of).scorecards
        if row["scope"] == "own" and row["staff_id"] in managers
        if (row["period_grain"], row["period_start"]) == (grain, last_closed(as_of, grain))
    ]
    assert len(ratings) >= 8
    assert sum(rating is not None for rating in ratings) >= 0.7 * len(ratings)
    assert sum(rating == "D" for rating in ratings) <= 0.45 * len(ratings)
    assert len(set(ratings) - {None}) >= 3


@pytest.mark.parametrize("as_of", AS_OFS)
def test_the_star_team_is_ahead_of_the_team_in_trouble(agency: Files, marts: Computed, as_of: date) -> None:
    directors = [row["staff_id"] for row in rows_of(agency(as_of), "staff") if row["role"] == "account_director"]
    star, troubled = directors[:2]
    quarter = last_closed(as_of, "quarter")
    line = {
        (row["staff_id"], row["kpi"]): value
        for row in marts(as_of).scorecard_lines
        if isinstance(value := row["value"], float)
        and (row["scope"], row["period_grain"], row["period_start"]) == ("team", "quarter", quarter)
    }
    for kpi in ("client_retention_rate", "on_time_delivery_rate", "client_satisfaction"):
        assert line[troubled, kpi] < line[star, kpi], kpi
    assert line[troubled, "cost_to_budget_ratio"] > 1.02 > line[star, "cost_to_budget_ratio"]


def test_people_are_promoted_reorganised_hired_and_leave(agency: Files) -> None:
    staff = rows_of(agency(MID_MONTH), "staff")
    histories: dict[str, Rows] = {}
    for row in sorted(staff, key=lambda row: row["valid_from"]):
        histories.setdefault(row["staff_id"], []).append(row)
    steps = [step for history in histories.values() for step in pairwise(history)]
    assert any((a["role"], b["role"]) == ("account_executive", "account_manager") for a, b in steps)
    assert any(a["role"] == b["role"] == "account_manager" and a["manager_id"] != b["manager_id"] for a, b in steps)
    assert any(history[-1]["is_active"] == "false" for history in histories.values())
    assert any((a["is_active"], b["is_active"]) == ("false", "true") for a, b in steps)
    assert any(history[0]["valid_from"] > "2026-07-31" for history in histories.values())


@pytest.mark.slow
def test_clients_change_hands_and_some_records_are_nobodys(agency: Files, marts: Computed) -> None:
    hands = Counter(row["client_id"] for row in rows_of(agency(MID_MONTH), "client_assignments"))
    assert sum(count > 1 for count in hands.values()) >= 8
    assert any(row["staff_id"] is None for row in marts(MID_MONTH).kpi_evidence)


@pytest.mark.slow
def test_the_new_hire_has_a_few_clients_and_little_data(agency: Files, marts: Computed) -> None:
    hired = [row["staff_id"] for row in rows_of(agency(MID_MONTH), "staff") if row["valid_from"] == "2026-08-01"]
    assert len(hired) == 1
    clients = [row for row in rows_of(agency(MID_MONTH), "client_assignments") if row["account_manager_id"] == hired[0]]
    assert 2 <= len(clients) <= 4
    quarters = [
        row["sample_size"]
        for row in marts(MID_MONTH).kpi_values
        if (row["staff_id"], row["scope"], row["period_grain"]) == (hired[0], "own", "quarter")
        and row["kpi"] == "on_time_delivery_rate"
    ]
    assert len(quarters) == 2
    assert all(isinstance(size, int) and size < 10 for size in quarters)


def test_a_leaver_keeps_no_client(agency: Files) -> None:
    staff = rows_of(agency(MID_MONTH), "staff")
    gone = {row["staff_id"] for row in staff if row["is_active"] == "false"}
    gone -= {row["staff_id"] for row in staff if row["is_active"] == "true" and row["valid_from"] > "2025-02"}
    latest: dict[str, dict[str, str]] = {}
    for row in rows_of(agency(MID_MONTH), "client_assignments"):
        latest[row["client_id"]] = max(row, latest.get(row["client_id"], row), key=lambda one: one["valid_from"])
    assert gone
    assert not [row for row in latest.values() if row["account_manager_id"] in gone and not row["valid_to"]]


def test_two_days_of_one_month_show_the_same_agency(agency: Files) -> None:
    for extract in (
        "staff",
        "clients",
        "client_assignments",
        "fx_rates",
        "kpi_targets",
        "project_costs",
        "peer_reviews",
    ):
        earlier, later = agency(MID_MONTH)[f"{extract}/{extract}.csv"], agency(MONTH_END)[f"{extract}/{extract}.csv"]
        assert set(earlier.splitlines()) <= set(later.splitlines()), extract
    due = {row["project_id"]: row["committed_due_date"] for row in rows_of(agency(MONTH_END), "projects")}
    assert all(due[row["project_id"]] == row["committed_due_date"] for row in rows_of(agency(MID_MONTH), "projects"))


def test_records_are_rarer_at_tet_than_in_the_two_months_before(agency: Files) -> None:
    starts = [date.fromisoformat(row["start_date"]) for row in rows_of(agency(MID_MONTH), "projects")]
    tet = date(2026, 2, 17)
    around = sum(-7 <= (day - tet).days <= 12 for day in starts) / 20
    before = sum(-65 <= (day - tet).days < -7 for day in starts) / 58
    assert around < 0.5 * before


def test_amounts_are_realistic_and_four_clients_pay_in_their_own_currency(agency: Files) -> None:
    contracts = rows_of(agency(MID_MONTH), "contracts")
    assert all(50e6 <= float(row["amount"]) <= 3e9 for row in contracts if row["currency"] == "VND")
    assert {row["currency"] for row in contracts} == {"VND", "USD", "EUR", "JPY", "SGD"}
    foreign = {row["client_id"] for row in contracts if row["currency"] != "VND"}
    assert len(foreign) == 4
    assert any(float(row["amount"]) < 0 for row in rows_of(agency(MID_MONTH), "project_costs"))


@pytest.mark.slow
@pytest.mark.parametrize(("months", "scale"), [(1, 1.0), (3, 0.2), (6, 2.4), (12, 0.01)])
def test_short_and_small_agencies_are_valid_too(tmp_path: Path, months: int, scale: float) -> None:
    write_sample(tmp_path, months=months, scale=scale, as_of=MID_MONTH)
    files = files_of(tmp_path)
    found = compute([files], MID_MONTH)
    assert found.quarantined_rows == []
    first = min(
        start
        for row in found.kpi_values
        if row["period_grain"] == "month" and isinstance(start := row["period_start"], date)
    )
    assert (MID_MONTH.year - first.year) * 12 + MID_MONTH.month - first.month + 1 == months
    staff = [(row["staff_id"], row["valid_from"]) for row in rows_of(files, "staff")]
    assert len(set(staff)) == len(staff)


def test_ten_times_the_scale_gives_about_ten_times_the_rows(tmp_path: Path) -> None:
    small = write_sample(tmp_path / "small", months=6, as_of=MID_MONTH)
    large = write_sample(tmp_path / "large", months=6, scale=10, as_of=MID_MONTH)
    for extract in COLUMNS.keys() - {"fx_rates", "kpi_targets"}:
        assert 7.5 <= large[extract] / small[extract] <= 13.5, extract
    assert 9 <= sum(large.values()) / sum(small.values()) <= 11


@pytest.mark.parametrize(
    "wrong", [{"months": 0}, {"scale": 0.0}, {"scale": float("nan")}, {"scale": float("inf")}, {"months": 12_000}]
)
def test_senseless_arguments_are_refused_before_anything_is_written(tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="months"):
        write_sample(tmp_path / "nothing", as_of=MID_MONTH, **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "nothing").exists()
