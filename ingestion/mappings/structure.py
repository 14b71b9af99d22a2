"""The keys of a mapping about the file as a whole: where its table is, and what becomes one row."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.mappings.names import meant
from amkpi.ingestion.readers import layout

_CONFIG = ConfigDict(extra="forbid", frozen=True)


def one_or_more(value: object) -> object:
    """A single text as a list of one."""
    return [value] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(one_or_more)]


class Header(BaseModel):
    """Where the header of the table is. A number alone is the row."""

    model_config = _CONFIG

    row: Annotated[int | None, Field(ge=1, le=1_000, description="its row in the sheet, or its line in a text")] = None
    contains: Annotated[Texts, Field(description="names that the header has; its first row with all of them")] = ()
    height: Annotated[
        int, Field(ge=1, le=5, description="how many rows it takes; their texts are joined as `Amount / Debit`")
    ] = 1

    @model_validator(mode="before")
    @classmethod
    def _row_alone(cls, value: object) -> object:
        return {"row": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.row is not None and self.contains:
            raise ValueError("has row and contains: give one of them")
        return self

    def place(self) -> layout.Header:
        """As the readers take it."""
        return layout.Header(self.row, self.contains, self.height)


class StopAt(BaseModel):
    """The first row below the data. `empty_row` alone is the first row without any cell."""

    model_config = _CONFIG

    empty_row: Annotated[bool, Field(description="true: the first row without any cell")] = False
    column: Annotated[str | None, Field(description="a native column that the pattern is compared with")] = None
    matches: Annotated[str | None, Field(description="a regular expression that is found in its cell")] = None

    @model_validator(mode="before")
    @classmethod
    def _word_alone(cls, value: object) -> object:
        return {"empty_row": True} if value == "empty_row" else value

    @field_validator("matches")
    @classmethod
    def _is_a_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"{value!r} is not a regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if (self.column is None) != (self.matches is None):
            raise ValueError('column and matches go together, such as { column: No, matches: "^Total" }')
        if not self.empty_row and self.column is None:
            raise ValueError("does not tell where: write empty_row, or column and matches")
        return self

    def place(self) -> layout.StopAt:
        """As the readers take it."""
        return layout.StopAt(
            self.empty_row,
            self.column,
            re.compile(unicodedata.normalize("NFC", self.matches)) if self.matches else None,
        )


class Unpivot(BaseModel):
    """One native row becomes several rows.

    Either each of `columns` gives a row with its name in the new column `name` and its cell in the new column `value`.
    Or each of `rows` gives a row: its key in the new column `name`, and new columns that have the cells of native ones.
    A row without any cell is dropped.
    """

    model_config = _CONFIG

    name: Annotated[str, Field(min_length=1, description="the new column with the name or the key")]
    value: Annotated[str | None, Field(description="the new column with the cell")] = None
    columns: Annotated[tuple[str, ...], Field(description="the native columns, each of which gives a row")] = ()
    rows: Annotated[
        dict[str, dict[str, str]], Field(description="key of a row: its new columns, each with its native column")
    ] = {}

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if bool(self.columns) == bool(self.rows):
            raise ValueError("needs either columns (with value) or rows")
        if bool(self.columns) != (self.value is not None):
            raise ValueError("value goes with columns: it names the new column that gets the cell")
        made = [set(cells) for cells in self.rows.values()]
        if any(each != made[0] for each in made) or (made and not made[0]):
            raise ValueError("rows: every row needs the same new columns")
        if self.name in self.new_columns[1:]:
            raise ValueError(f"{self.name} is the name of two new columns: rename one")
        return self

    @property
    def new_columns(self) -> tuple[str, ...]:
        """The new columns: the name first."""
        cells = tuple(next(iter(self.rows.values()))) if self.rows else (self.value or "",)
        return (self.name, *cells)

    def parts(self) -> list[tuple[str, tuple[str, ...]]]:
        """For each row that one native row becomes: its name, and the native columns of its other new columns."""
        if self.columns:
            return [(column, (column,)) for column in self.columns]
        return [(key, tuple(cells[new] for new in self.new_columns[1:])) for key, cells in self.rows.items()]


class Split(BaseModel):
    """A native cell that has a list: each of its parts gives a row. A cell without parts gives one."""

    model_config = _CONFIG

    column: Annotated[str, Field(min_length=1, description="the native column")]
    by: Annotated[str, Field(min_length=1, description="the text between two parts")] = ";"


class Lookup(BaseModel):
    """The key of a row of another extract, found by another column of it, such as a person by the e-mail address."""

    model_config = _CONFIG

    extract: Annotated[str, Field(description="the extract whose key is wanted")]
    by: Annotated[str, Field(description="the column of it that has the native value")]

    @model_validator(mode="after")
    def _is_there(self) -> Self:
        if self.extract not in EXTRACTS:
            raise ValueError(f"{self.extract!r} is not an extract{meant(self.extract, EXTRACTS)}")
        known = [column.name for column in EXTRACTS[self.extract].columns if column.type == "text"]
        if self.by not in known:
            raise ValueError(
                f"{self.extract} has no text column {self.by}{meant(self.by, known)}; it has {', '.join(known)}"
            )
        return self


class Duplicates(BaseModel):
    """What happens to rows of one file with the same key: `refuse`, `last`, or `sum(column)`."""

    model_config = _CONFIG

    rule: Literal["refuse", "last", "sum"] = "refuse"
    column: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_written(cls, value: object) -> object:
        if isinstance(value, dict):
            return value
        found = re.fullmatch(r"sum\(\s*(\w+)\s*\)", value.strip()) if isinstance(value, str) else None
        if found:
            return {"rule": "sum", "column": found[1]}
        if value in ("refuse", "last"):
            return {"rule": value}
        raise ValueError("must be refuse, last, or sum of a number column, such as sum(amount)")
