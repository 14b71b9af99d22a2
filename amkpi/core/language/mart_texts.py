"""The texts of the marts and their columns, in English and Vietnamese: for comments in databases, pages and exports.

The English texts are the descriptions in the ymls of dbt_project/models/marts; gettext has the Vietnamese ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from amkpi.core.catalogue import YAML_LOADER
from amkpi.core.language.translation import Translation
from amkpi.core.language.translator import Translator
from amkpi.core.paths import DBT_PROJECT

MODELS = DBT_PROJECT / "models"


@dataclass(frozen=True)
class Column:
    """A column as its contract has it: name, DuckDB type in lower case, English text."""

    name: str
    type: str
    text: str


@dataclass(frozen=True)
class Mart:
    """A public table of a publication: name, English text, its columns in their order."""

    name: str
    text: str
    columns: tuple[Column, ...]


@cache
def marts() -> Mapping[str, Mart]:
    """The marts, as their .yml files declare them: name -> mart."""
    return declared_in(MODELS / "marts")


def declared_in(folder: Path) -> Mapping[str, Mart]:
    """The marts that the .yml files of a folder declare: name -> mart."""
    found = {}
    for path in sorted(folder.rglob("*.yml")):
        # The unit tests below the models are most of the file.
        declared, _, _ = path.read_text(encoding="utf-8").partition("\nunit_tests:")
        for model in yaml.load(declared, Loader=YAML_LOADER)["models"]:
            columns = tuple(Column(each["name"], each["data_type"], _text(each)) for each in model["columns"])
            found[model["name"]] = Mart(model["name"], _text(model), columns)
    return MappingProxyType(found)


def in_both_languages(text: str) -> Translation:
    """A text of a mart or column in Vietnamese and English. Raises LookupError where it is not translated."""
    return Translation(vi=Translator("vi").t(text), en=text)


@cache
def comments() -> Mapping[tuple[str, str | None], str]:
    """The comment of each mart, by (mart, None), and of each column, by (mart, column).

    A comment has two lines: the English text and the Vietnamese text. Raises LookupError where one is not translated.
    """
    return MappingProxyType(
        {
            (mart.name, column): comment(text)
            for mart in marts().values()
            for column, text in ((None, mart.text), *((each.name, each.text) for each in mart.columns))
        }
    )


def comment(text: str) -> str:
    """A text as a comment: a line in English, a line in Vietnamese. Raises LookupError where it is not translated."""
    both = in_both_languages(text)
    return f"{both.en}\n{both.vi}"


def _text(declared: Mapping[str, Any]) -> str:
    return " ".join(str(declared["description"]).split())
