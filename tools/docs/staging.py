"""The ymls of the staging models, from the declaration of the extracts: columns, their texts, keys and references.

A staging model has the columns of its extract, so nothing of it is written twice.
"""

from __future__ import annotations

import json

from amkpi.ingestion.contracts.extracts import EXTRACTS, Column, Extract
from amkpi.ingestion.contracts.texts import texts


def file_name(extract: str) -> str:
    """The file below the dbt project."""
    return f"models/staging/stg_{extract}.yml"


def yml(name: str) -> str:
    """The yml of the staging model of an extract."""
    extract = EXTRACTS[name]
    lines = [
        "version: 2",
        "",
        "models:",
        f"  - name: stg_{name}",
        f"    description: {_quoted(f'The current rows of the extract {name}. {texts().extracts[name].note.en}')}",
    ]
    if len(extract.key) > 1:
        lines += [
            "    data_tests:",
            "      - unique_combination:",
            "          arguments:",
            f"            columns: [{', '.join(extract.key)}]",
        ]
    lines.append("    columns:")
    for column in extract.columns:
        lines += _column(extract, column)
    return "\n".join(lines) + "\n"


def _column(extract: Extract, column: Column) -> list[str]:
    lines = [
        f"      - name: {column.name}",
        f"        description: {_quoted(texts().column(extract.name, column.name).note.en)}",
    ]
    tests = []
    if column.required or column.default is not None:
        tests.append("          - not_null")
    if extract.key == (column.name,):
        tests.append("          - unique")
    if column.references:
        tests += [
            "          - relationships:",
            "              arguments:",
            f"                to: ref('stg_{column.references}')",
            f"                field: {EXTRACTS[column.references].key[0]}",
        ]
    return [*lines, *(["        data_tests:", *tests] if tests else [])]


def _quoted(text: str) -> str:
    """A text as yml has it: a JSON text is one."""
    return json.dumps(text, ensure_ascii=False)
