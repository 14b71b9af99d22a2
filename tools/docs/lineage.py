"""The lineage as a picture: from extracts to marts, left to right, drawn from dbt's manifest.

A layered drawing: a model stands right of everything that it reads, the KPIs in one column, the marts in the last.
Lines that pass a column get a place in it, places are ordered so that few lines cross, and a line that a longer way
says anyway is left out.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from statistics import fmean

from amkpi.core.errors import AmkpiError
from amkpi.core.paths import DBT_PROJECT

# group -> (title, fill, line)
GROUPS = {
    "state": ("written by load, audit, publishing", "#F3F4F6", "#6B7280"),
    "staging": ("staging: the current rows of each extract", "#E0F2FE", "#0369A1"),
    "intermediate": ("intermediate: credit, money, periods, teams", "#EEF2FF", "#4F46E5"),
    "kpis": ("KPIs: one model each", "#FEF3C7", "#B45309"),
    "rollup": ("after the KPIs: sums, measures, scoring", "#FCE7F3", "#BE185D"),
    "marts": ("marts: what readers see", "#DCFCE7", "#15803D"),
}
# Folders of models that are drawn as one group.
_DRAWN_AS = {"records": "rollup", "changes": "rollup", "measures": "rollup", "scoring": "rollup"}
_SWEEPS = 24
_BOX_HEIGHT = 26
_ROW = 38
_PASSING_ROW = 12  # what a line that only passes needs
_GAP = 44  # between columns, and a little more for each line that crosses it
_GAP_A_LINE = 1.7
_MARGIN = 24
_TOP = 92
_CHARACTER = 7.05  # of 11.5 px monospace, a little generous


@dataclass(frozen=True)
class Graph:
    """Models and what each reads. groups: node -> its group."""

    groups: Mapping[str, str]
    reads: Mapping[str, frozenset[str]]


def picture() -> str:
    """The lineage as SVG. Raises AmkpiError when dbt cannot parse the project."""
    return draw(without_shortcuts(read_graph()))


def read_graph() -> Graph:
    """The models of dbt's manifest, and what is read from outside but is no extract. Raises AmkpiError."""
    os.environ.setdefault("AMKPI_WAREHOUSE", ":memory:")
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    from dbt.cli.main import dbtRunner  # 4 s to import: only here

    place = str(DBT_PROJECT / "target" / "lineage")
    result = dbtRunner().invoke(
        ["parse", "--quiet", "--log-level", "none", "--log-path", place, "--target-path", place,
         "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
    )  # fmt: skip
    if result.exception is not None or result.result is None:
        raise AmkpiError(f"dbt could not read its project: {' '.join(str(result.exception).split())}")
    manifest = result.result
    groups: dict[str, str] = {}
    names: dict[str, str] = {}
    for identity, source in sorted(manifest.sources.items()):
        if source.source_name != "valid":
            names[identity] = f"{source.source_name}.{source.name}"
            groups[names[identity]] = "state"
    models = {key: node for key, node in sorted(manifest.nodes.items()) if node.resource_type == "model"}
    for identity, model in models.items():
        names[identity] = model.name
        groups[model.name] = _DRAWN_AS.get(model.fqn[1], model.fqn[1])
    reads = {name: frozenset[str]() for name in groups}
    for identity, model in models.items():
        reads[names[identity]] = frozenset(names[key] for key in model.depends_on.nodes if key in names)
    return Graph(groups, reads)


def without_shortcuts(graph: Graph) -> Graph:
    """The graph without the lines that a longer way says anyway."""
    above: dict[str, frozenset[str]] = {}

    def all_above(node: str) -> frozenset[str]:
        if node not in above:
            above[node] = graph.reads[node].union(*(all_above(parent) for parent in graph.reads[node]))
        return above[node]

    kept = {
        node: frozenset(
            parent for parent in parents if not any(parent in all_above(other) for other in parents if other != parent)
        )
        for node, parents in graph.reads.items()
    }
    return Graph(graph.groups, kept)


def columns_of(graph: Graph) -> dict[str, int]:
    """The column of each node: right of all it reads, the KPIs together, the marts last."""
    depth: dict[str, int] = {}

    def natural(node: str, at_least: Mapping[str, int]) -> int:
        if node not in depth:
            below = [natural(parent, at_least) + 1 for parent in graph.reads[node]]
            depth[node] = max([at_least.get(graph.groups[node], 0), *below])
        return depth[node]

    def measure(at_least: Mapping[str, int]) -> dict[str, int]:
        depth.clear()
        return {node: natural(node, at_least) for node in graph.groups}

    first = measure({})
    kpis = max((column for node, column in first.items() if graph.groups[node] == "kpis"), default=0)
    second = measure({"kpis": kpis})
    # A mart that another mart reads stands before it.
    last = max((column for node, column in second.items() if graph.groups[node] == "marts"), default=0)
    readers = {parent for node in graph.groups for parent in graph.reads[node]}
    return {
        node: last if graph.groups[node] == "marts" and node not in readers else column
        for node, column in second.items()
    }


@dataclass
class _Layout:
    """Places: order within columns, then heights. A place is a node, or (from, to, column) of a line that passes."""

    columns: list[list[str]]
    before: dict[str, list[str]]
    after: dict[str, list[str]]


def draw(graph: Graph) -> str:
    """The picture of a graph."""
    place = columns_of(graph)
    layout, lines = _with_passing(graph, place)
    _order(layout)
    height = _heights(layout, graph)
    left, widths = _lefts(layout, graph)
    total_width = left[-1] + widths[-1] + _MARGIN
    lowest = max(height.values()) + _BOX_HEIGHT + _MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width:.0f} {lowest:.0f}"'
        f' width="{total_width:.0f}" height="{lowest:.0f}" font-family="Helvetica, Arial, sans-serif">',
        "<title>From extracts to marts: which model reads which</title>",
        "<style>.l{fill:none;stroke-width:1.4;opacity:.55}.n text{font:11.5px ui-monospace,Menlo,Consolas,"
        "'DejaVu Sans Mono',monospace;fill:#111827}.l:hover{stroke-width:3;opacity:1}</style>",
        f'<rect width="{total_width:.0f}" height="{lowest:.0f}" fill="#FFFFFF"/>',
        f'<text x="{_MARGIN}" y="32" font-size="19" font-weight="bold" fill="#111827">From extracts to marts</text>',
    ]
    note = "A line that a longer way says anyway is left out. Point at a line for its two ends."
    out.append(f'<text x="{_MARGIN + 215}" y="32" font-size="13" fill="#6B7280">{note}</text>')
    x = float(_MARGIN)
    for title, fill, line in GROUPS.values():
        out.append(f'<rect x="{x:.0f}" y="48" width="16" height="16" rx="4" fill="{fill}" stroke="{line}"/>')
        out.append(f'<text x="{x + 23:.0f}" y="61" font-size="13" fill="#374151">{escape(title)}</text>')
        x += 23 + 6.3 * len(title) + 24
    for parent, node, passing in lines:
        points = [(left[place[parent]] + widths[place[parent]], height[parent])]
        for step in passing:
            column = place[parent] + 1 + passing.index(step)
            points += [(left[column], height[step]), (left[column] + widths[column], height[step])]
        points.append((left[place[node]], height[node]))
        stroke = GROUPS[graph.groups[parent]][2]
        said = f"<title>{escape(parent)} → {escape(node)}</title>"
        out.append(f'<path class="l" stroke="{stroke}" d="{_curve(points)}">{said}</path>')
    for node in sorted(graph.groups):
        _, fill, line = GROUPS[graph.groups[node]]
        column = place[node]
        out.append(
            f'<g class="n"><rect x="{left[column]:.1f}" y="{height[node] - _BOX_HEIGHT / 2:.1f}"'
            f' width="{widths[column]:.1f}" height="{_BOX_HEIGHT}" rx="6" fill="{fill}" stroke="{line}"/>'
            f'<text x="{left[column] + 9:.1f}" y="{height[node] + 4:.1f}">{escape(node)}</text></g>'
        )
    return "\n".join([*out, "</svg>", ""])


def _with_passing(graph: Graph, place: Mapping[str, int]) -> tuple[_Layout, list[tuple[str, str, list[str]]]]:
    columns: list[list[str]] = [[] for _ in range(max(place.values()) + 1)]
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    lines = []
    for node in sorted(graph.groups):
        columns[place[node]].append(node)
    passes: set[str] = set()
    for node in sorted(graph.groups):
        for parent in sorted(graph.reads[node]):
            # Lines from one model run together until the column before their end.
            passing = [f"{parent}>{column}" for column in range(place[parent] + 1, place[node])]
            chain = [parent, *passing, node]
            for column, step in enumerate(passing, place[parent] + 1):
                if step not in passes:
                    passes.add(step)
                    columns[column].append(step)
            for one, other in pairwise(chain):
                if other not in after[one]:
                    after[one].append(other)
                    before[other].append(one)
            lines.append((parent, node, passing))
    return _Layout(columns, before, after), lines


def _order(layout: _Layout) -> None:
    """Order each column by where its neighbours stand, to and fro, and keep the order with the fewest crossings."""
    best, fewest = [list(column) for column in layout.columns], _crossings(layout)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        neighbours = layout.before if forward else layout.after
        numbers = range(1, len(layout.columns)) if forward else range(len(layout.columns) - 2, -1, -1)
        for number in numbers:
            beside = layout.columns[number - 1 if forward else number + 1]
            rank = {node: position / max(len(beside) - 1, 1) for position, node in enumerate(beside)}
            column = layout.columns[number]
            own = {node: position / max(len(column) - 1, 1) for position, node in enumerate(column)}
            column.sort(key=lambda node: (_mean([rank[n] for n in neighbours[node]], own[node]), node))
        count = _crossings(layout)
        if count < fewest:
            best, fewest = [list(column) for column in layout.columns], count
    layout.columns[:] = best


def _crossings(layout: _Layout) -> int:
    total = 0
    for number, column in enumerate(layout.columns[:-1]):
        rank = {node: position for position, node in enumerate(layout.columns[number + 1])}
        ends = [rank[end] for node in column for end in sorted(layout.after[node], key=rank.__getitem__)]
        total += sum(one > other for place, one in enumerate(ends) for other in ends[place + 1 :])
    return total


def _heights(layout: _Layout, graph: Graph) -> dict[str, float]:
    """The height of each place: near its neighbours, in its column's order, none too close to the next."""
    height: dict[str, float] = {}
    for column in layout.columns:
        y = 0.0
        for node in column:
            y += _space(node, graph) / 2
            height[node] = y
            y += _space(node, graph) / 2
    for sweep in range(_SWEEPS * 2):
        forward = sweep % 2 == 0
        for column in layout.columns if forward else reversed(layout.columns):
            near = {
                node: _mean([height[n] for n in layout.before[node] + layout.after[node]], height[node])
                for node in column
            }
            _settle(column, near, height, graph)
    lowest = min(height.values())
    return {node: y - lowest + _TOP + _BOX_HEIGHT / 2 + 6 for node, y in height.items()}


def _settle(column: list[str], near: Mapping[str, float], height: dict[str, float], graph: Graph) -> None:
    """Give each node of a column the height near which it wants to be; those that collide share the difference."""
    # Blocks of nodes that touch: [offsets of its nodes, the heights that they want for the block's first].
    blocks: list[tuple[list[tuple[str, float]], list[float]]] = []
    for node in column:
        block: tuple[list[tuple[str, float]], list[float]] = ([(node, 0.0)], [near[node]])
        while blocks:
            above, wants = blocks[-1]
            last, offset = above[-1]
            first = block[0][0][0]
            apart = (_space(last, graph) + _space(first, graph)) / 2
            if fmean(wants) + offset + apart <= fmean(block[1]):
                break
            shift = offset + apart
            block = (
                above + [(name, shift + further) for name, further in block[0]],
                wants + [want - shift for want in block[1]],
            )
            blocks.pop()
        blocks.append(block)
    for nodes, wants in blocks:
        start = fmean(wants)
        for name, offset in nodes:
            height[name] = start + offset


def _space(node: str, graph: Graph) -> float:
    return _ROW if node in graph.groups else _PASSING_ROW


def _mean(values: Iterable[float], otherwise: float) -> float:
    found = list(values)
    return fmean(found) if found else otherwise


def _lefts(layout: _Layout, graph: Graph) -> tuple[list[float], list[float]]:
    widths = [
        max((len(node) for node in column if node in graph.groups), default=0) * _CHARACTER + 18
        for column in layout.columns
    ]
    left, x = [], float(_MARGIN)
    for width, column in zip(widths, layout.columns, strict=True):
        left.append(x)
        x += width + _GAP + _GAP_A_LINE * sum(len(layout.after[node]) for node in column)
    return left, widths


def _curve(points: list[tuple[float, float]]) -> str:
    """Flat through the columns, bent between them."""
    (x, y), *rest = points
    path = [f"M{x:.1f},{y:.1f}"]
    for number, (next_x, next_y) in enumerate(rest):
        if number % 2:
            path.append(f"L{next_x:.1f},{next_y:.1f}")
        else:
            middle = (x + next_x) / 2
            path.append(f"C{middle:.1f},{y:.1f} {middle:.1f},{next_y:.1f} {next_x:.1f},{next_y:.1f}")
        x, y = next_x, next_y
    return " ".join(path)
