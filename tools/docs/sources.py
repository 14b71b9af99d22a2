"""The ymls of the dbt sources whose columns are described elsewhere: in the extracts, and in the marts that show them.

The other sources are tables of the pipeline itself; `models/staging/sources.yml` describes them by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from amkpi.core.language.mart_texts import marts
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.contracts.texts import texts

# The source tables that a mart shows as they are: source -> table -> mart.
SHOWN: dict[str, dict[str, str]] = {
    "closing": {
        "closings": "closings",
        "adjustments": "adjustments",
        "adjustment_evidence": "adjustment_evidence",
        "adjusted_scores": "adjusted_scores",
    },
    "audit": {
        "results": "quality_results",
        "publication": "publication",
        "scorecards_sent": "scorecards_sent",
        "restatements": "restatements",
    },
}
_OF_SOURCE = {
    "valid": "The rows that count, one per key; written by amkpi.ingestion.validation.row_checks.",
    "closing": "What is closed, and what was learned since; written around the build by amkpi.publishing.closing.",
    "audit": "Written around the build, by what judges, publishes and prepares it; marts are views over them.",
}
_OF_ROW = {
    "_updated_at": "When the row was last changed, as its file says; NULL if it does not say.",
    "_delivery": "The delivery in raw.ledger that brought the row.",
    "_line": "The line of the row in its file.",
}


def of_extracts() -> str:
    """The yml of the source `valid`: a table for each extract, with its columns and where each row came from."""
    lines = [*_source("valid")]
    for name, extract in EXTRACTS.items():
        columns = {column.name: texts().column(name, column.name).note.en for column in extract.columns}
        lines += _table(name, f"The rows of the extract {name} that count, one per key.", columns | _OF_ROW)
    return _yml(lines)


def of_marts() -> str:
    """The yml of the tables that become marts as they are, with the texts of these marts."""
    lines = []
    for source, tables in SHOWN.items():
        lines += _source(source)
        for table, mart in tables.items():
            columns = {column.name: column.text for column in marts()[mart].columns}
            lines += _table(table, f"The rows of the mart {mart}.", columns)
    return _yml(lines)


# The files below the dbt project, and how each is made.
YMLS = {
    "models/staging/sources_of_extracts.yml": of_extracts,
    "models/staging/sources_of_marts.yml": of_marts,
}


def _yml(lines: Iterable[str]) -> str:
    return "\n".join(["version: 2", "", "sources:", *lines]) + "\n"


def _source(name: str) -> list[str]:
    return [
        f"  - name: {name}",
        # Macros cannot name the schema of a source, as they do for models (generate_schema_name).
        f"    schema: \"{{{{ var('schema_prefix', '') }}}}{name}\"",
        f"    description: {json.dumps(_OF_SOURCE[name])}",
        "    tables:",
    ]


def _table(name: str, about: str, columns: Mapping[str, str]) -> list[str]:
    lines = [f"      - name: {name}", f"        description: {json.dumps(about)}", "        columns:"]
    for column, text in columns.items():
        lines += [f"          - name: {column}"]
        # A word of SQL.
        lines += ["            quote: true"] if column == "at" else []
        lines += [f"            description: {json.dumps(' '.join(text.split()), ensure_ascii=False)}"]
    return lines
