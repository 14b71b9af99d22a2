"""The lineage page: which model reads which, from dbt's manifest.

One picture of all models cannot be read, so the page has one of the folders, one of each KPI, and one of each mart that
is built from the KPIs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from amkpi.core.errors import AmkpiError
from amkpi.core.paths import DBT_PROJECT
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.transform.dbt_variables import catalogue_variable
from tools.docs.markdown import code, codes, table
from tools.docs.mermaid import COLOURS, Edge, Node, flowchart

# The folder name of the tables that load, audit and mails write, and dbt only reads.
OUTSIDE = "other tables"
KPIS, MARTS = "kpis", "marts"
_TITLE = "# Lineage: which model reads which"
_INTRO = """\
An arrow goes from a model to a model that reads it. An arrow is left out where a longer path says the same. Every
model is a file of its name in `dbt_project/models/`; its `.yml` has the description of each column. `make docs-site`
makes dbt's own pages, with the SQL of every model."""


@dataclass(frozen=True)
class Graph:
    """folders: model -> its folder below models/. reads: model -> the models that it reads."""

    folders: Mapping[str, str]
    reads: Mapping[str, frozenset[str]]

    def layer(self, model: str) -> str:
        """The topmost folder of a model."""
        return self.folders[model].split("/")[0]


def page() -> str:
    """The page. Raises AmkpiError when dbt cannot parse the project."""
    return write(read_graph())


def read_graph() -> Graph:
    """The models of dbt's manifest, and the tables that they read which are no extract. Raises AmkpiError."""
    os.environ.setdefault("AMKPI_WAREHOUSE", ":memory:")
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    from dbt.cli.main import dbtRunner  # 4 s to import: only here

    place = str(DBT_PROJECT / "target" / "lineage")
    result = dbtRunner().invoke(
        ["parse", "--vars", json.dumps({"kpis": catalogue_variable()}),
         "--quiet", "--log-level", "none", "--log-path", place, "--target-path", place,
         "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
    )  # fmt: skip
    if result.exception is not None or result.result is None:
        raise AmkpiError(f"dbt could not read its project: {' '.join(str(result.exception).split())}")
    manifest = result.result
    names: dict[str, str] = {}
    folders: dict[str, str] = {}
    for identity, source in sorted(manifest.sources.items()):
        if source.name not in EXTRACTS:
            names[identity] = f"{source.source_name}.{source.name}"
            folders[names[identity]] = OUTSIDE
    models = {key: node for key, node in sorted(manifest.nodes.items()) if node.resource_type == "model"}
    for identity, model in models.items():
        names[identity] = model.name
        folders[model.name] = "/".join(model.fqn[1:-1])
    reads = {name: frozenset[str]() for name in folders}
    for identity, model in models.items():
        reads[names[identity]] = frozenset(names[key] for key in model.depends_on.nodes if key in names)
    return Graph(folders, reads)


def ancestors(graph: Graph, model: str) -> set[str]:
    """Everything that a model is built from, itself included."""
    found, waiting = {model}, [model]
    while waiting:
        new = graph.reads[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def without_shortcuts(reads: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """The graph without the arrows for which there is a longer path."""
    graph = Graph(dict.fromkeys(reads, ""), reads)
    above = {model: ancestors(graph, model) - {model} for model in reads}
    return {
        model: frozenset(parent for parent in parents if not any(parent in above[other] for other in parents))
        for model, parents in reads.items()
    }


def order(graph: Graph) -> list[str]:
    """The layers in the order in which data flows, by the mean depth of their models."""
    depth: dict[str, int] = {}

    def measure(model: str) -> int:
        if model not in depth:
            depth[model] = max((measure(parent) + 1 for parent in graph.reads[model]), default=0)
        return depth[model]

    depths: dict[str, list[int]] = {}
    for model in graph.folders:
        depths.setdefault(graph.layer(model), []).append(measure(model))
    rest = sorted(depths.keys() - {MARTS}, key=lambda layer: (fmean(depths[layer]), layer))
    return [*rest, *(depths.keys() & {MARTS})]


def write(graph: Graph) -> str:
    """The page of a graph."""
    layers = order(graph)
    palette = [colour for colour in COLOURS if colour != "grey"]
    colours = {layer: palette[place % len(palette)] for place, layer in enumerate(x for x in layers if x != OUTSIDE)}
    colours[OUTSIDE] = "grey"
    parts = [_TITLE, _INTRO, "## The folders", _overview(graph, layers, colours), _folder_table(graph, layers)]
    parts += [
        "## What each KPI is built from",
        "Each begins at the extracts: `stg_clients` reads the extract `clients`.",
    ]
    for kpi in sorted(model for model in graph.folders if graph.layer(model) == KPIS):
        parts += [f"### {kpi}", _diagram(graph, {name: name for name in ancestors(graph, kpi)}, colours)]
    boxes = _after_kpis(graph)
    direct = [
        (code(mart), codes(sorted(graph.reads[mart])))
        for mart in sorted(graph.folders)
        if graph.layer(mart) == MARTS and mart not in boxes
    ]
    parts += [
        "## From the KPIs to the marts",
        "A folder that comes before is one box.",
        _diagram(graph, boxes, colours, "TB"),
        "The other marts are not built from KPIs:",
        table(("mart", "reads"), direct),
    ]
    return "\n\n".join(parts) + "\n"


def _overview(graph: Graph, layers: list[str], colours: Mapping[str, str]) -> str:
    sizes = {layer: sum(graph.layer(model) == layer for model in graph.folders) for layer in layers}
    nodes = [
        Node(layer, f"{layer}\n{sizes[layer]} {'tables' if layer == OUTSIDE else 'models'}", colours[layer])
        for layer in layers
    ]
    reads: dict[str, set[str]] = {layer: set() for layer in layers}
    for model, parents in graph.reads.items():
        reads[graph.layer(model)] |= {graph.layer(parent) for parent in parents} - {graph.layer(model)}
    shown = without_shortcuts({layer: frozenset(parents) for layer, parents in reads.items()})
    return flowchart(nodes, [Edge(parent, layer) for layer in layers for parent in layers if parent in shown[layer]])


def _folder_table(graph: Graph, layers: list[str]) -> str:
    folders = sorted(set(graph.folders.values()), key=lambda folder: (layers.index(folder.split("/")[0]), folder))
    rows = [
        (
            folder if folder == OUTSIDE else code(f"{folder}/"),
            codes(sorted(model for model in graph.folders if graph.folders[model] == folder)),
        )
        for folder in folders
    ]
    return table(("folder", "models"), rows)


def _after_kpis(graph: Graph) -> dict[str, str]:
    """Each model that is built from a KPI, and what it is built from -> the box that shows it: itself, or its layer."""
    kpis = {model for model in graph.folders if graph.layer(model) == KPIS}
    above = {model: ancestors(graph, model) for model in graph.folders}
    after = {model for model in graph.folders if kpis & above[model]} - kpis
    return {
        model: model if model in after else graph.layer(model)
        for model in sorted(set().union(*(above[name] for name in after)))
    }


def _diagram(graph: Graph, boxes: Mapping[str, str], colours: Mapping[str, str], direction: str = "LR") -> str:
    """The models, each in the box that `boxes` says; a box of a layer is drawn as a store of many models."""
    layer_of = {box: graph.layer(model) for model, box in boxes.items()}
    reads: dict[str, frozenset[str]] = {}
    for model, box in boxes.items():
        parents = {boxes[parent] for parent in graph.reads[model]} - {box}
        # What comes before the KPIs is shown only where a shown model reads it.
        reads[box] = reads.get(box, frozenset()) | (parents if box == model else frozenset())
    shown = without_shortcuts(reads)
    used = {box for box in boxes.values() if box in boxes} | {parent for each in shown.values() for parent in each}
    nodes = [
        Node(
            box,
            box if box in (*boxes, OUTSIDE) else f"{box}/",
            colours[layer_of[box]],
            "box" if box in boxes else "store",
        )
        for box in sorted(used, key=lambda each: (each in boxes, each))
    ]
    return flowchart(nodes, [Edge(parent, box) for box in sorted(shown) for parent in sorted(shown[box])], direction)
