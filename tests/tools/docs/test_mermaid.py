"""Flowcharts in Mermaid's text form."""

from __future__ import annotations

import re

import pytest

from tests.paths import ROOT
from tools.docs.mermaid import COLOURS, Edge, Frame, Node, flowchart

BLOCKS = [
    (path.name, block)
    for path in sorted((ROOT / "docs").rglob("*.md"))
    for block in re.findall(r"```mermaid\n(.*?)```", path.read_text(encoding="utf-8"), re.S)
]
# One line of a chart as tools/docs/mermaid.py writes it.
LINE = re.compile(
    r"flowchart (?:LR|TB)|  subgraph frame_\d+\[\"[^\"]+\"\]|  end"
    r"|\s+n_\w+(?:\[\"[^\"]+\"\]|\[\(\"[^\"]+\"\)\]|\(\[\"[^\"]+\"\]\))"
    r"|  n_\w+ -->(?:\|\"[^\"]+\"\|)? n_\w+"
    r"|  classDef \w+ fill:#\w{6},stroke:#\w{6},color:#\w{6}|  class n_\w+(?:,n_\w+)* \w+"
)


def test_a_chart_has_its_nodes_frames_and_arrows() -> None:
    chart = flowchart(
        [Node("a-b", "a", "blue"), Frame("around", [Node("end", "e", "grey", "store")])], [Edge("a-b", "end", "t")]
    )
    assert chart.splitlines()[1:-1] == [
        "flowchart LR",
        '  n_a_b["a"]',
        '  subgraph frame_1["around"]',
        '    n_end[("e")]',
        "  end",
        '  n_a_b -->|"t"| n_end',
        "  classDef blue fill:#E0F2FE,stroke:#0369A1,color:#111827",
        "  class n_a_b blue",
        "  classDef grey fill:#F3F4F6,stroke:#6B7280,color:#111827",
        "  class n_end grey",
    ]


def test_a_label_cannot_end_its_quotes() -> None:
    assert '["#lt;b#gt;#quot;#amp;<br>c"]' in flowchart([Node("a", '<b>"&\nc', "grey")], [])


def test_the_pages_have_charts() -> None:
    assert {name for name, _ in BLOCKS} >= {"lineage.md", "architecture.md"}


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[f"{name}-{number}" for number, (name, _) in enumerate(BLOCKS)])
def test_every_arrow_leads_from_a_box_to_a_box_and_every_box_has_a_colour(page: str, block: str) -> None:
    strange = [line for line in block.splitlines() if not LINE.fullmatch(line)]
    assert not strange, page
    boxes = set(re.findall(r"^\s+(n_\w+)[\[(]", block, re.M))
    arrows = set(re.findall(r"^  (n_\w+) -->(?:\|[^|]*\|)? (n_\w+)$", block, re.M))
    assert arrows
    assert {end for arrow in arrows for end in arrow} <= boxes
    coloured = {
        box: colour
        for boxes_of, colour in re.findall(r"^  class (\S+) (\w+)$", block, re.M)
        for box in boxes_of.split(",")
    }
    assert coloured.keys() == boxes
    assert set(coloured.values()) <= COLOURS.keys()
