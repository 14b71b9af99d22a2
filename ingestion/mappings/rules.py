"""How one column of an extract is made from native columns, and the checks of such a rule against the column."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from amkpi.ingestion.contracts.extracts import Column
from amkpi.ingestion.mappings.expressions import Expression, parse
from amkpi.ingestion.mappings.names import clean_cell, folded_cell, meant
from amkpi.ingestion.mappings.structure import Lookup, Texts
from amkpi.ingestion.mappings.values.canonical import problem
from amkpi.ingestion.mappings.values.dates import DateFormat, date_formats
from amkpi.ingestion.mappings.values.numbers import PRESETS, SPACES, NumberFormat

OTHERWISE = "otherwise"
_SOURCES = ("column", "constant", "sql", "id_from")
_NUMBER_KEYS = ("number", "decimal", "thousands", "scale")
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


def _expression(value: object) -> Expression:
    if not isinstance(value, str):
        raise ValueError("must be a SQL expression in quotes")
    # The cells are compared in NFC too.
    return parse(unicodedata.normalize("NFC", value))


Sql = Annotated[Expression, BeforeValidator(_expression)]


def _native_to_target(value: object) -> object:
    """A value map with one native value a key; `won: [Closed Won, Signed]` is its other form."""
    if not isinstance(value, dict):
        return value
    flat: dict[object, object] = {}
    for key, target in value.items():
        for native in target if isinstance(target, list) else [key]:
            given = key if isinstance(target, list) else target
            if flat.setdefault(native, given) != given:
                raise ValueError(f"{native!r} is given twice, as {flat[native]} and as {given}")
    return flat


class ColumnRule(BaseModel):
    """How one column of the extract is made: from exactly one of column, constant, sql and id_from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: Annotated[str | None, Field(description="the native column")] = None
    constant: Annotated[str | None, Field(description="one final value for all rows")] = None
    sql: Annotated[Sql | None, Field(description="a SQL expression over the native columns of the row")] = None
    id_from: Annotated[
        Texts, Field(description="native columns that identify the row; equal rows of a file are numbered")
    ] = ()
    values: Annotated[
        dict[str, str] | None,
        BeforeValidator(_native_to_target),
        Field(description="native value: value; or value: [native values]; `otherwise` for all other values"),
    ] = None
    lookup: Annotated[Lookup | None, Field(description="the id of the row of another extract with this value")] = None
    date_format: Annotated[Texts, Field(description="how a text is a date: one format, or several in their order")] = ()
    number: Annotated[
        Literal["vi", "en", "ch", "plain"] | None,
        Field(description="vi: 1.234.567,89; en: 1,234,567.89; ch: 1'234.50; plain: 1234.5 (450.000 is 450)"),
    ] = None
    decimal: Annotated[Literal[".", ","] | None, Field(description="the decimal sign, instead of number")] = None
    thousands: Annotated[
        Literal[".", ",", " ", "'", "_"] | None, Field(description="the sign between thousands, instead of number")
    ] = None
    scale: Annotated[Decimal | None, Field(description="a factor, such as 1000 for amounts in thousands")] = None

    @model_validator(mode="before")
    @classmethod
    def _plain_name(cls, value: object) -> object:
        if isinstance(value, str):
            return {"column": value}
        if not isinstance(value, dict):
            raise ValueError(
                "must be the name of a native column, or have column, constant, sql or id_from with their conversions"
            )
        return value

    @field_validator("values")
    @classmethod
    def _clean_keys(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        if value is None:
            return None
        folded: dict[str, str] = {}
        for key, target in value.items():
            if not clean_cell(key):
                raise ValueError(
                    "has an empty native value, but empty stays empty: use sql: coalesce(\"Column\", 'value')"
                )
            if key != OTHERWISE and folded.setdefault(folded_cell(key), target) != target:
                raise ValueError(f"{key!r} is given twice: case and spaces do not matter")
        return value

    @field_validator("date_format")
    @classmethod
    def _known_formats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value:
            date_formats(value)
        return value

    @field_validator("scale")
    @classmethod
    def _usable_scale(cls, value: Decimal | None) -> Decimal | None:
        if value is not None and (not value.is_finite() or value == 0 or len(str(value)) > 40):
            raise ValueError("must be a number other than 0, such as 1000 or 0.01")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [source for source in _SOURCES if getattr(self, source) not in (None, ())]
        if len(given) != 1:
            found = f"has {' and '.join(given)}" if given else "does not tell where the value comes from"
            raise ValueError(f"{found}: give exactly one of column, constant, sql and id_from")
        if self.column is not None and not self.column.strip():
            raise ValueError("the name of the native column is empty: fill it in, or leave this column out")
        if self.constant is not None and not self.constant.strip():
            raise ValueError("the constant is empty: fill it in, or leave this column out")
        return self

    @property
    def formats(self) -> tuple[DateFormat, ...]:
        """Its date formats."""
        return date_formats(self.date_format) if self.date_format else ()

    @property
    def number_format(self) -> NumberFormat | None:
        """How its numbers are written; None if the rule has no key for that."""
        scale = Decimal(1) if self.scale is None else self.scale
        if self.number is not None:
            preset = PRESETS[self.number]
            return NumberFormat(preset.decimal, preset.thousands, scale, preset.loose)
        if self.decimal is None and self.thousands is None and self.scale is None:
            return None
        thousands = SPACES if self.thousands == " " else self.thousands or ""
        return NumberFormat(self.decimal or ".", thousands, scale)

    @property
    def says_thousands(self) -> bool:
        """Whether the rule tells what the point in 450.000 means."""
        return self.number is not None or self.decimal is not None or self.thousands is not None

    @property
    def conversions(self) -> tuple[str, ...]:
        """The keys of the rule that change a value."""
        keys = ("values", "lookup", "date_format", *_NUMBER_KEYS)
        return tuple(key for key in keys if getattr(self, key) not in (None, ()))

    @property
    def native_columns(self) -> tuple[str, ...]:
        """The native columns that it needs, as written."""
        if self.sql is not None:
            return self.sql.columns
        return self.id_from or (() if self.column is None else (self.column,))


def check_rule(rule: ColumnRule, column: Column) -> None:
    """Check that the rule can make the column. Raises ValueError with the key."""
    at = f"columns.{column.name}"
    if rule.constant is not None:
        if rule.conversions:
            raise ValueError(f"{at}.{rule.conversions[0]}: a constant is not converted: write the final value")
        _check_target(f"{at}.constant", rule.constant, column)
    if rule.id_from and (rule.conversions or column.type != "text"):
        what = rule.conversions[0] if rule.conversions else "id_from"
        raise ValueError(f"{at}.{what}: id_from makes the id of a text column, which is not converted: remove {what}")
    if rule.date_format and column.type not in ("date", "timestamp"):
        raise ValueError(f"{at}.date_format: {column.name} is a {column.type}, not a date: remove date_format")
    if rule.number_format is not None and column.type != "number":
        key = next(key for key in rule.conversions if key in _NUMBER_KEYS)
        raise ValueError(f"{at}.{key}: {column.name} is a {column.type}, not a number: remove {key}")
    if rule.number is not None and (rule.decimal is not None or rule.thousands is not None):
        raise ValueError(f"{at}.number: tells the signs already: remove decimal and thousands")
    if rule.thousands is not None and rule.thousands == (rule.decimal or "."):
        raise ValueError(f'{at}.thousands: is the decimal sign too: give both, such as decimal: "," and thousands: "."')
    if rule.lookup is not None and (column.type != "text" or column.choices or column.currency):
        raise ValueError(f"{at}.lookup: gives an id, but {column.name} is none: remove lookup")
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
    needs_text = [each for each in rule.conversions if each != "scale"]
    if result == "VARCHAR":
        return
    if needs_text:
        raise ValueError(f"{key}: gives {result}, but {needs_text[0]} needs text: remove {needs_text[0]}")
    if result in _RESULTS[column.type] or (result.startswith("DECIMAL") and column.type in ("number", "text")):
        return
    casts = {"date": "date", "timestamp": "timestamp", "number": "decimal(18, 2)", "boolean": "boolean"}
    cast = casts.get(column.type, "varchar")
    raise ValueError(f"{key}: gives {result}, but {column.name} is a {column.type}: cast((...) as {cast})")
