"""The tables of the group's marts in docs/group.md, from the .yml of each model."""

from __future__ import annotations

from amkpi.core.language.mart_texts import declared_in
from amkpi.core.paths import DBT_GROUP_PROJECT
from tools.docs.markdown import code, table

# In the order of the page.
_ORDER = (
    "group_kpi_values", "group_kpi_evidence", "group_scorecards", "group_scorecard_lines", "group_agencies",
    "group_publication", "group_quality_results",
)  # fmt: skip


def tables() -> str:
    """Each mart with its columns. Raises LookupError where the order lacks one."""
    declared = declared_in(DBT_GROUP_PROJECT / "models" / "marts")
    if declared.keys() != set(_ORDER):
        raise LookupError(f"the group's marts are {', '.join(declared)} (tools/docs/group.py)")
    parts = []
    for name in _ORDER:
        mart = declared[name]
        rows = [(code(column.name), column.type.upper(), column.text) for column in mart.columns]
        parts += [f"### {name}", mart.text, table(("column", "type", "what it is"), rows)]
    return "\n\n".join(parts)
