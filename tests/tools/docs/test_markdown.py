"""Markdown of the generated pages."""

from __future__ import annotations

from tools.docs.markdown import table


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert table(["a"], [["x|y\nz"]]).splitlines()[-1] == "| x\\|y<br>z |"
