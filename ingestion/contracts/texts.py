"""What extracts, columns and rules are called and mean, in Vietnamese and English, from `texts.yml`.

The file holds texts only. Types and rules are declared in `amkpi.ingestion.contracts.extracts`. Both must cover the
same extracts and columns.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from amkpi.ingestion.contracts.extracts import COMMON, EXTRACTS, FAMILIES, REASONS, Extract

TEXTS_FILE = Path(__file__).with_name("texts.yml")
LANGUAGES = ("vi", "en")


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Frozen):
    """A text in the two languages."""

    vi: str
    en: str

    def __getitem__(self, language: str) -> str:
        """The text in that language. Raises KeyError."""
        return {"vi": self.vi, "en": self.en}[language]


class TypeTexts(_Frozen):
    """A type's short name, and how its values are written."""

    label: Words
    format: Words


class ColumnTexts(_Frozen):
    """What a column is, and a value that the loader takes."""

    example: str
    note: Words


class ExtractTexts(_Frozen):
    """What an extract is; its columns; and its rules that a column's declaration does not say by itself."""

    label: Words
    note: Words
    columns: dict[str, ColumnTexts]
    rules: dict[str, Words] = {}


class Texts(_Frozen):
    """All of `texts.yml`."""

    families: dict[str, Words]
    types: dict[str, TypeTexts]
    choices: dict[str, Words]
    reasons: dict[str, Words]
    common: dict[str, ColumnTexts]
    extracts: dict[str, ExtractTexts]

    def column(self, extract: str, column: str) -> ColumnTexts:
        """The texts of a column of that extract, declared or common. Raises KeyError."""
        return self.common.get(column) or self.extracts[extract].columns[column]


@cache
def texts() -> Texts:
    """The texts. Raises pydantic.ValidationError where the file is not of its shape."""
    return Texts(**yaml.safe_load(TEXTS_FILE.read_text(encoding="utf-8")))


def rules_in_words(extract: Extract) -> set[str]:
    """The columns with a rule that is declared as an SQL condition: those need words."""
    conditions = (*extract.needs, *extract.checks_enum, *extract.checks_range)
    return {column for column, _ in conditions} | ({"currency"} if extract.fx_when != "true" else set())


def uncovered(found: Texts) -> list[str]:
    """What the declaration has and the texts lack (`-`), or the other way round (`+`); empty when they agree."""
    # The KPIs' names stand in the KPI catalogue.
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
