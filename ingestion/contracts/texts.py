"""The names and meanings of extracts, columns and rules in Vietnamese and English, from `texts.yml`.

The file has only texts. Types and rules are declared in `amkpi.ingestion.contracts.extracts`. Both must have the same
extracts and columns.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from amkpi.core.catalogue import YAML_LOADER
from amkpi.core.language.translation import Translation
from amkpi.ingestion.contracts.extracts import COMMON, EXTRACTS, FAMILIES, REASONS, Extract

TEXTS_FILE = Path(__file__).with_name("texts.yml")


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TypeTexts(_Frozen):
    """The short name of a type, and how its values are written."""

    label: Translation
    format: Translation


class ColumnTexts(_Frozen):
    """What a column means, and an example that the loader accepts."""

    example: str
    note: Translation


class ExtractTexts(_Frozen):
    """What an extract means; its columns; and the rules that are declared as SQL conditions."""

    label: Translation
    note: Translation
    columns: dict[str, ColumnTexts]
    rules: dict[str, Translation] = {}


class Texts(_Frozen):
    """All of `texts.yml`."""

    families: dict[str, Translation]
    types: dict[str, TypeTexts]
    choices: dict[str, Translation]
    reasons: dict[str, Translation]
    common: dict[str, ColumnTexts]
    extracts: dict[str, ExtractTexts]

    def column(self, extract: str, column: str) -> ColumnTexts:
        """The texts of a column of that extract, declared or common. Raises KeyError."""
        return self.common.get(column) or self.extracts[extract].columns[column]


@cache
def texts() -> Texts:
    """The texts. Raises pydantic.ValidationError if the file has another structure."""
    return Texts(**yaml.load(TEXTS_FILE.read_text(encoding="utf-8"), Loader=YAML_LOADER))


def rules_in_words(extract: Extract) -> set[str]:
    """The columns with a rule that is declared as an SQL condition: such a rule needs a text."""
    conditions = (*extract.needs, *extract.checks_enum, *extract.checks_range)
    return {column for column, _ in conditions} | ({"currency"} if extract.fx_when != "true" else set())


def uncovered(found: Texts) -> list[str]:
    """What the declaration has and the texts lack (`-`), or the other way round (`+`); empty if they agree."""
    # The names of the KPIs are in the KPI catalogue.
    choices = {choice for e in EXTRACTS.values() for c in e.columns if c.name != "kpi" for choice in c.choices}
    pairs: list[tuple[str, set[str], set[str]]] = [
        ("families", set(FAMILIES), set(found.families)),
        ("types", {c.type for e in EXTRACTS.values() for c in e.all_columns}, set(found.types)),
        ("choices", choices, set(found.choices)),
        ("reasons", set(REASONS), set(found.reasons)),
        ("common", {column.name for column in COMMON}, set(found.common)),
        ("extracts", set(EXTRACTS), set(found.extracts)),
    ]
    for extract in EXTRACTS.values():
        if extract.name in found.extracts:
            its = found.extracts[extract.name]
            pairs.append((f"{extract.name} columns", {c.name for c in extract.columns}, set(its.columns)))
            pairs.append((f"{extract.name} rules", rules_in_words(extract), set(its.rules)))
    return [
        f"{sign} {where}: {name}"
        for where, declared, written in pairs
        for sign, names in (("-", declared - written), ("+", written - declared))
        for name in sorted(names)
    ]
