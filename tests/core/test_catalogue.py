"""The KPI catalogue: what it checks, and that it fits the extracts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from amkpi.core.catalogue import Kpi, kpi_named, kpis, read_catalogue
from amkpi.core.errors import AmkpiError
from amkpi.core.paths import DBT_PROJECT
from amkpi.ingestion.contracts.extracts import EXTRACTS

FOLDER = DBT_PROJECT / "models" / "kpis"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the ymls."""
    for path in FOLDER.glob("*.yml"):
        shutil.copy(path, tmp_path)
    return tmp_path


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def test_what_a_kpi_reads_is_in_the_extracts() -> None:
    for kpi in kpis():
        assert set(kpi.reads) | {kpi.source_extract} <= set(EXTRACTS)
        for extract, column in kpi.corrected_by.items():
            assert extract in kpi.reads
            # A restatement finds the corrected row by one column.
            assert len(EXTRACTS[extract].key) == 1
            assert column in {each.name for each in EXTRACTS[extract].columns}


def test_the_numbers_follow_the_specification() -> None:
    assert [(kpi.number, kpi.name) for kpi in kpis()][:8] == [
        (1, "client_revenue"),
        (2, "client_retention_rate"),
        (3, "on_time_delivery_rate"),
        (4, "client_satisfaction"),
        (5, "contract_win_rate"),
        (6, "upsell_cross_sell_rate"),
        (7, "cost_to_budget_ratio"),
        (8, "internal_collaboration_score"),
    ]


def test_a_sum_has_no_reason_without_data_and_a_ratio_has_one() -> None:
    assert kpi_named("client_revenue").no_data_reason is None
    assert kpi_named("contract_win_rate").no_data_reason == "no_proposals"
    assert kpi_named("internal_collaboration_score").no_data_reason == "no_reviews"
    with pytest.raises(KeyError):
        kpi_named("kindness")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("client_revenue", replaced("unit: money", "unit: euro"), "meta.kpi.unit: Input should be"),
        ("client_revenue", replaced("aggregation: sum", "aggregation: ratio_of_counts"), "does not fit the agg"),
        ("client_revenue", replaced("private: false", "private: true"), "`private` is true for a mean of groups"),
        ("client_revenue", replaced("private: false", "privat: false"), "meta.kpi.private: Field required"),
        ("client_revenue", replaced("number: 1", "number: 9"), "must be 1, 2, 3, … each once, and are 2 client_reten"),
        ("client_revenue", replaced("  name: client_revenue\n   ", "  name: turnover\n   "), "one name"),
        ("client_revenue", replaced("meta:", "meto:"), "it declares no KPI"),
        ("client_revenue", replaced("{any: 80000000,", "{month: 1,"), "give either `any`, or all of"),
        ("client_revenue", replaced("{any: 80000000,", "{month: 1, quarter: 3, year: 9,"), "is one number, of a month"),
        ("contract_win_rate", replaced("reads: [proposals, ", "reads: ["), "`reads` lacks the source_extract"),
        ("contract_win_rate", replaced("denominator:", "denominators:"), "meta.kpi.denominators: Extra inputs"),
        ("client_revenue", replaced("          states:", "          rules:"), "meta.kpi.rules: Extra inputs"),
        ("internal_collaboration_score",
         replaced("timing: event", "timing: event\n          states: {a: {vi: b, en: c}}"),
         "`states` names the states"),
        ("internal_collaboration_score", replaced("too_few_raters:", "too_few:"), "must have period_running, too_few"),
        ("internal_collaboration_score", replaced("timing: event", "timing: opening"), "set timing to `event`"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_an_error_that_names_the_file_and_the_key(
    folder: Path, name: str, change: Callable[[str], str], said: str
) -> None:
    path = folder / f"kpi_{name}.yml"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(AmkpiError) as caught:
        read_catalogue(folder)
    assert said in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_one_kpi_is_a_mean_of_groups(folder: Path) -> None:
    first = (folder / "kpi_internal_collaboration_score.yml").read_text(encoding="utf-8")
    second = first.replace("internal_collaboration_score", "kindness").replace("number: 8", "number: 9")
    (folder / "kpi_kindness.yml").write_text(second, encoding="utf-8")
    with pytest.raises(AmkpiError, match="only one KPI can have the aggregation mean_of_groups"):
        read_catalogue(folder)


@pytest.mark.parametrize("kpi", kpis(), ids=lambda kpi: kpi.name)
def test_what_is_counted_has_an_english_singular(kpi: Kpi) -> None:
    for text in (kpi.sample, kpi.undecided):
        if text is not None:
            assert text.after(1, "en") != text.after(2, "en") == text.after(0, "en") == text.en
            assert text.after(1, "vi") == text.after(2, "vi") == text.vi
