"""The model of a source mapping: the keys of a mapping file, and the checks of it against its extract."""

from __future__ import annotations

import difflib
import fnmatch
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, field_validator, model_validator

from amkpi.ingestion.contracts.extracts import EXTRACTS, Column, Extract
from amkpi.ingestion.mappings.expressions import Expression, parse
from amkpi.ingestion.mappings.values import NumberFormat, date_format, problem
from amkpi.ingestion.readers import loose

OTHERWISE = "otherwise"
# The fields of a mapping that are not keys of its file.
OF_FILE = ("name", "text", "sha256")
_SOURCES = ("column", "constant", "sql")
_COMPRESSED = (".gz", ".zst")
_WHOLE = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"})
_TIMESTAMPS = frozenset({"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"})
# The result types of an expression that are values of the column's type.
_RESULTS = {
    "text": _WHOLE | {"BOOLEAN", "DATE"},
    "number": _WHOLE | {"DOUBLE", "FLOAT"},
    "date": frozenset({"DATE"}),
    "timestamp": _TIMESTAMPS | {"DATE"},
    "boolean": frozenset({"BOOLEAN", "INTEGER"}),
}


def native_name(name: str) -> str:
    """The name of a native column as it is compared."""
    return loose(unicodedata.normalize("NFC", name))


def _expression(value: object) -> Expression:
    if not isinstance(value, str):
        raise ValueError("must be a SQL expression in quotes")
    return parse(value)


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


Sql = Annotated[Expression, BeforeValidator(_expression)]


class ColumnRule(BaseModel):
    """How one column of the extract is made: from exactly one of column, constant and sql."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str | None = None
    constant: str | None = None
    sql: Sql | None = None
    values: dict[str, str] | None = None
    date_format: str | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal[".", ",", " ", "'", "_"] | None = None
    scale: Decimal | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_name(cls, value: object) -> object:
        if isinstance(value, str):
            return {"column": value}
        if not isinstance(value, dict):
            raise ValueError(
                "must be the name of a native column, or have column, constant or sql with their conversions"
            )
        return value

    @field_validator("values")
    @classmethod
    def _clean_keys(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        if value is None:
            return None
        clean = {clean_cell(key): target for key, target in value.items()}
        if "" in clean:
            raise ValueError("has an empty native value, but empty stays empty: use sql: coalesce(\"Column\", 'value')")
        return clean

    @field_validator("date_format")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        if value is not None:
            date_format(value)
        return value

    @field_validator("scale")
    @classmethod
    def _usable_scale(cls, value: Decimal | None) -> Decimal | None:
        if value is not None and (not value.is_finite() or value == 0 or len(str(value)) > 40):
            raise ValueError("must be a number other than 0, such as 1000 or 0.01")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [source for source in _SOURCES if getattr(self, source) is not None]
        if len(given) != 1:
            found = f"has {' and '.join(given)}" if given else "does not tell where the value comes from"
            raise ValueError(f"{found}: give exactly one of column, constant and sql")
        if self.column is not None and not self.column.strip():
            raise ValueError("the name of the native column is empty: fill it in, or leave this column out")
        if self.constant is not None and not self.constant.strip():
            raise ValueError("the constant is empty: fill it in, or leave this column out")
        return self

    @property
    def number(self) -> NumberFormat | None:
        """How its numbers are written; None if the rule has no key for that."""
        if self.decimal is None and self.thousands is None and self.scale is None:
            return None
        return NumberFormat(self.decimal or ".", self.thousands or "", Decimal(1) if self.scale is None else self.scale)

    @property
    def conversions(self) -> tuple[str, ...]:
        """The keys of the rule that change a value."""
        keys = ("values", "date_format", "decimal", "thousands", "scale")
        return tuple(key for key in keys if getattr(self, key) is not None)

    @property
    def native_columns(self) -> tuple[str, ...]:
        """The native columns that it needs, as written."""
        if self.sql is not None:
            return self.sql.columns
        return () if self.column is None else (self.column,)


class Mapping(BaseModel):
    """One mapping file.

    name: the file's name without its ending. text: what the file holds. sha256: the digest of its keys and values, so
    that another comment is not another mapping.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    text: str = ""
    sha256: str = ""
    file: Annotated[tuple[str, ...], BeforeValidator(_one_or_more)]
    extract: str
    snapshot: bool = False
    where: Annotated[tuple[Sql, ...], BeforeValidator(_one_or_more)] = ()
    columns: dict[str, ColumnRule]

    @field_validator("file")
    @classmethod
    def _some_pattern(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(pattern.strip() for pattern in value):
            raise ValueError('must be a pattern of file names, such as "*opportunity*.csv", or a list of them')
        return value

    @field_validator("extract")
    @classmethod
    def _known_extract(cls, value: str) -> str:
        if value not in EXTRACTS:
            raise ValueError(
                f"{value!r} is not an extract{meant(value, EXTRACTS)}; the extracts are {', '.join(EXTRACTS)}"
            )
        return value

    @field_validator("where")
    @classmethod
    def _conditions(cls, value: tuple[Expression, ...]) -> tuple[Expression, ...]:
        for condition in value:
            if condition.type != "BOOLEAN":
                raise ValueError(
                    f"{condition.text!r} gives {condition.type}: write a condition, such as \"Type\" = 'New Business'"
                )
        return value

    @model_validator(mode="after")
    def _fits_extract(self) -> Self:
        extract = EXTRACTS[self.extract]
        known = [column.name for column in extract.all_columns]
        for name, rule in self.columns.items():
            if name not in known:
                raise ValueError(
                    f"columns.{name}: {extract.name} has no such column{meant(name, known)}; it has {', '.join(known)}"
                )
            _check_rule(rule, extract.column(name))
        missing = [name for name in extract.required if name not in self.columns]
        if missing:
            raise ValueError(
                f"columns: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} required by {extract.name} but"
                " not mapped: give the native column, a constant or sql"
            )
        return self

    @property
    def target(self) -> Extract:
        """The extract that it makes."""
        return EXTRACTS[self.extract]

    @property
    def native_columns(self) -> frozenset[str]:
        """The native columns that it needs, as they are compared."""
        return frozenset(native_name(name) for name in self.native_names())

    def takes(self, file_name: str) -> bool:
        """Whether it takes the file with this path below LANDING.

        A pattern is compared with the path and with the name alone, without case, with and without .gz or .zst.
        """
        path = PurePosixPath(file_name.replace("\\", "/").lower())
        plain = path.with_suffix("") if path.suffix in _COMPRESSED else path
        names = {str(path), path.name, str(plain), plain.name}
        return any(fnmatch.fnmatchcase(name, pattern.lower()) for name in names for pattern in self.file)

    def native_names(self) -> Iterator[str]:
        for rule in self.columns.values():
            yield from rule.native_columns
        for condition in self.where:
            yield from condition.columns


def _check_rule(rule: ColumnRule, column: Column) -> None:
    """Check that the rule can make the column. Raises ValueError with the key."""
    at = f"columns.{column.name}"
    if rule.constant is not None:
        if rule.conversions:
            raise ValueError(f"{at}.{rule.conversions[0]}: a constant is not converted: write the final value")
        _check_target(f"{at}.constant", rule.constant, column)
    if rule.date_format is not None and column.type not in ("date", "timestamp"):
        raise ValueError(f"{at}.date_format: {column.name} is a {column.type}, not a date: remove date_format")
    if rule.number is not None and column.type != "number":
        key = next(key for key in rule.conversions if key in ("decimal", "thousands", "scale"))
        raise ValueError(f"{at}.{key}: {column.name} is a {column.type}, not a number: remove {key}")
    if rule.thousands is not None and rule.thousands == (rule.decimal or "."):
        raise ValueError(f'{at}.thousands: is the decimal sign too: give both, such as decimal: "," and thousands: "."')
    for native, target in (rule.values or {}).items():
        if target.strip():
            _check_target(f"{at}.values.{native}", target, column)
    if rule.values and OTHERWISE in rule.values and len(rule.conversions) > 1:
        raise ValueError(f"{at}.values.{OTHERWISE}: leaves no value for {rule.conversions[1]}: remove one of them")
    if rule.sql is not None:
        _check_result(f"{at}.sql", rule, rule.sql.type, column)


def _check_target(key: str, value: str, column: Column) -> None:
    wrong = problem(value, column)
    if wrong:
        raise ValueError(f"{key}: {wrong}{meant(value, column.choices)}")


def _check_result(key: str, rule: ColumnRule, result: str, column: Column) -> None:
    needs_text = rule.values is not None or rule.date_format is not None or rule.decimal or rule.thousands
    if result == "VARCHAR":
        return
    if needs_text:
        raise ValueError(f"{key}: gives {result}, but {rule.conversions[0]} needs text: remove {rule.conversions[0]}")
    if result in _RESULTS[column.type] or (result.startswith("DECIMAL") and column.type in ("number", "text")):
        return
    casts = {"date": "date", "timestamp": "timestamp", "number": "decimal(18, 2)", "boolean": "boolean"}
    cast = casts.get(column.type, "varchar")
    raise ValueError(f"{key}: gives {result}, but {column.name} is a {column.type}: cast((...) as {cast})")


def meant(name: str, known: Iterable[str]) -> str:
    """The end of a message that suggests the closest known name; empty if none is close."""
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def clean_cell(value: str) -> str:
    """A native cell as it is compared and parsed: trimmed, in NFC."""
    return unicodedata.normalize("NFC", value).strip()
