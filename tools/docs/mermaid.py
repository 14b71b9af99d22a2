"""Flowcharts in Mermaid's text form, which code forges draw where they show Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# name -> (fill, line). Text is dark on all of them, so a page in dark mode can be read too.
COLOURS = {
    "grey": ("#F3F4F6", "#6B7280"),
    "blue": ("#E0F2FE", "#0369A1"),
    "violet": ("#EEF2FF", "#4F46E5"),
    "yellow": ("#FEF3C7", "#B45309"),
    "red": ("#FEE2E2", "#B91C1C"),
    "teal": ("#CCFBF1", "#0F766E"),
    "pink": ("#FCE7F3", "#BE185D"),
    "orange": ("#FFEDD5", "#C2410C"),
    "lime": ("#ECFCCB", "#4D7C0F"),
    "green": ("#DCFCE7", "#15803D"),
}
_SHAPES = {"box": ("[", "]"), "store": ("[(", ")]"), "round": ("([", "])")}


@dataclass(frozen=True)
class Node:
    """A box of the chart. A label may have several lines, parted by newlines."""

    name: str
    label: str
    colour: str
    shape: str = "box"


@dataclass(frozen=True)
class Edge:
    """An arrow from one node to another, by their names, with a text or none."""

    start: str
    end: str
    text: str = ""


@dataclass(frozen=True)
class Frame:
    """Nodes with a frame around them."""

    title: str
    nodes: Sequence[Node]


def flowchart(parts: Iterable[Node | Frame], edges: Iterable[Edge], direction: str = "LR") -> str:
    """A fenced Mermaid block. direction: LR (left to right) or TB (top to bottom)."""
    lines = [f"flowchart {direction}"]
    colours: dict[str, list[str]] = {}

    def add(node: Node, indent: str) -> None:
        begin, end = _SHAPES[node.shape]
        lines.append(f"{indent}{identifier(node.name)}{begin}{quoted(node.label)}{end}")
        colours.setdefault(node.colour, []).append(identifier(node.name))

    for number, part in enumerate(parts):
        if isinstance(part, Frame):
            lines.append(f"  subgraph frame_{number}[{quoted(part.title)}]")
            for node in part.nodes:
                add(node, "    ")
            lines.append("  end")
        else:
            add(part, "  ")
    for edge in edges:
        text = f"|{quoted(edge.text)}|" if edge.text else ""
        lines.append(f"  {identifier(edge.start)} -->{text} {identifier(edge.end)}")
    for colour, names in colours.items():
        fill, line = COLOURS[colour]
        lines.append(f"  classDef {colour} fill:{fill},stroke:{line},color:#111827")
        lines.append(f"  class {','.join(names)} {colour}")
    return "\n".join(["```mermaid", *lines, "```"])


def identifier(name: str) -> str:
    """A name that Mermaid takes as an identifier; the prefix keeps clear of its own words, such as `end`."""
    return "n_" + re.sub(r"\W", "_", name)


def quoted(text: str) -> str:
    """A text as Mermaid shows it literally."""
    escaped = text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
    return '"' + escaped.replace("\n", "<br>") + '"'
