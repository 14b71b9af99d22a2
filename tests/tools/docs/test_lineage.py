"""The lineage page: each model once, few arrows, and nothing that a longer path says."""

from __future__ import annotations

import re

import pytest

from tests.paths import ROOT
from tools.docs import lineage
from tools.docs.lineage import Graph, ancestors, order, without_shortcuts, write

GRAPH = Graph(
    folders={
        "t": lineage.OUTSIDE, "a": "staging", "b": "intermediate/clients", "k": "kpis", "k2": "kpis", "c": "rollup",
        "m": "marts", "m2": "marts/operation",
    },
    reads={
        "t": frozenset(),
        "a": frozenset(),
        "b": frozenset({"a"}),
        "k": frozenset({"a", "b"}),
        "k2": frozenset({"a"}),
        "c": frozenset({"k", "k2", "b"}),
        "m": frozenset({"c", "a"}),
        "m2": frozenset({"t"}),
    },
)  # fmt: skip


def section(page: str, heading: str) -> str:
    """What the page has below a heading, up to the next one."""
    return re.split(r"^#+ ", page.split(f"# {heading}\n")[1], maxsplit=1, flags=re.M)[0]


def arrows(text: str) -> set[tuple[str, str]]:
    """The arrows of a chart, by the names of its nodes."""
    return set(re.findall(r"^  n_(\w+) -->(?:\|[^|]*\|)? n_(\w+)$", text, re.M))


def test_an_arrow_for_which_there_is_a_longer_path_is_left_out() -> None:
    reads = without_shortcuts(GRAPH.reads)
    assert reads["k"] == {"b"}
    assert reads["m"] == {"c"}
    assert reads["k2"] == {"a"}


def test_two_folders_that_read_each_other_keep_their_arrows() -> None:
    circle = {"a": frozenset({"b"}), "b": frozenset({"a"})}
    assert without_shortcuts(circle) == circle


def test_a_model_is_built_from_all_that_its_parents_are_built_from() -> None:
    assert ancestors(GRAPH, "c") == {"c", "k", "k2", "b", "a"}


def test_the_folders_come_as_data_flows_and_the_marts_last() -> None:
    assert order(GRAPH)[2:] == ["intermediate", "kpis", "rollup", "marts"]
    overview = arrows(section(write(GRAPH), "The folders"))
    assert overview == {
        ("staging", "intermediate"), ("intermediate", "kpis"), ("kpis", "rollup"), ("rollup", "marts"),
        ("other_tables", "marts"),
    }  # fmt: skip


def test_a_kpi_is_drawn_with_all_that_it_is_built_from_and_nothing_else() -> None:
    page = write(GRAPH)
    assert arrows(section(page, "k")) == {("a", "b"), ("b", "k")}
    assert arrows(section(page, "k2")) == {("a", "k2")}


def test_what_comes_before_the_kpis_is_a_box_of_its_folder_on_the_way_to_the_marts() -> None:
    after = section(write(GRAPH), "From the KPIs to the marts")
    assert arrows(after) == {("kpis", "c"), ("intermediate", "c"), ("c", "m"), ("staging", "m")}
    assert "| `m2` | `t` |" in after


def test_every_model_is_in_the_table_of_folders_once() -> None:
    table = section(write(GRAPH), "The folders")
    for model in GRAPH.folders:
        assert table.count(f"`{model}`") == 1


@pytest.mark.slow
def test_the_lineage_has_every_model_of_the_project() -> None:
    graph = lineage.read_graph()
    models = {path.stem for path in (ROOT / "dbt_project" / "models").rglob("*.sql")}
    assert models == {name for name, folder in graph.folders.items() if folder != lineage.OUTSIDE}
    assert lineage.OUTSIDE in graph.folders.values()
    assert {lineage.KPIS, lineage.MARTS} <= {graph.layer(name) for name in models}
