"""The model of a source mapping: the keys of a mapping file, and the checks of it against its extract."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from amkpi.ingestion.contracts.extracts import EXTRACTS, Extract
from amkpi.ingestion.mappings.expressions import Expression
from amkpi.ingestion.mappings.names import meant
from amkpi.ingestion.mappings.rules import ColumnRule, Sql, check_rule
from amkpi.ingestion.mappings.structure import Duplicates, Header, Split, StopAt, Texts, Unpivot, one_or_more
from amkpi.ingestion.readers import Layout, loose
from amkpi.ingestion.readers.layout import Header as HeaderPlace
from amkpi.ingestion.readers.layout import StopAt as StopPlace
from amkpi.ingestion.readers.table_rows import base_name

# The fields of a mapping that are not keys of its file.
OF_FILE = ("name", "text", "sha256", "zone")
_COMPRESSED = (".gz", ".zst")
# A longer number is the name of a sheet, such as 2024.
_SHEET_NUMBER = re.compile(r"[1-9][0-9]?", re.ASCII)


def _zone(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{value!r} is not a time zone: write it as UTC or Asia/Ho_Chi_Minh") from error


class Mapping(BaseModel):
    """One mapping file.

    name: the file's name without its ending. text: what the file holds. sha256: the digest of its keys and values, so
    that another comment is not another mapping. zone: the agency's time zone (a setting).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str
    text: str = ""
    sha256: str = ""
    zone: ZoneInfo
    file: Annotated[Texts, Field(description="the names of the files that it takes, with * and ?")]
    extract: Annotated[str, Field(description="the extract that it makes")]
    sheet: Annotated[str | None, Field(description="the sheet of a workbook: its name, or its number from 1")] = None
    header: Annotated[Header | None, Field(description="where the header is, if it is not the first row")] = None
    skip_after_header: Annotated[int, Field(ge=0, le=100, description="how many rows below the header are no data")] = 0
    stop_at: Annotated[StopAt | None, Field(description="the first row of the footer, such as totals")] = None
    records: Annotated[str | None, Field(description="JSON: the keys that lead to the list, as `data.results`")] = None
    fill_down: Annotated[
        Texts, Field(description="native columns whose empty cells have the value above them (merged cells)")
    ] = ()
    unpivot: Annotated[Unpivot | None, Field(description="one native row to several rows")] = None
    split: Annotated[Split | None, Field(description="a native cell with a list to several rows")] = None
    snapshot: Annotated[bool, Field(description="true: a key that a newer file lacks counts as deleted")] = False
    duplicates: Annotated[
        Duplicates | None, Field(description="rows of a file with the same key: refuse, last, or sum(amount)")
    ] = None
    time_zone: Annotated[
        Literal["local", "as_written"] | None,
        Field(description="the day of a moment with an offset: local (the agency's day) or as_written"),
    ] = None
    written_in: Annotated[
        ZoneInfo | None,
        BeforeValidator(_zone),
        Field(description="the time zone of moments without an offset, such as UTC; else the agency's"),
    ] = None
    where: Annotated[
        tuple[Sql, ...],
        BeforeValidator(one_or_more),
        Field(description="SQL conditions; a row that does not fulfil all is dropped and counted"),
    ] = ()
    columns: Annotated[dict[str, ColumnRule], Field(description="each column of the extract, with its rule")]

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
            check_rule(rule, extract.column(name))
        missing = [name for name in extract.required if name not in self.columns]
        if missing:
            raise ValueError(
                f"columns: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} required by {extract.name} but"
                " not mapped: give the native column, a constant, id_from or sql"
            )
        return self

    @model_validator(mode="after")
    def _moments_have_a_day(self) -> Self:
        for name, rule in self.columns.items():
            is_day = EXTRACTS[self.extract].column(name).type == "date"
            if is_day and self.time_zone is None and any(each.has_offset for each in rule.formats):
                raise ValueError(
                    f"time_zone: is missing: columns.{name} can have moments with an offset, and 17:00 UTC is the next"
                    " day in Vietnam; write time_zone: local (the agency's day) or as_written"
                )
        if self.written_in is not None and self.time_zone is None:
            raise ValueError("written_in: needs time_zone: write time_zone: local for the agency's day")
        return self

    @model_validator(mode="after")
    def _snapshot_has_its_keys(self) -> Self:
        if self.snapshot and self.looks_up_key:
            # What a snapshot lacks is decided when it is loaded, and an id is found later.
            raise ValueError("snapshot: needs the ids of its key: map a column of ids instead of the lookup")
        return self

    @model_validator(mode="after")
    def _sums_numbers(self) -> Self:
        column = self.duplicates.column if self.duplicates else None
        numbers = [each.name for each in EXTRACTS[self.extract].columns if each.type == "number"]
        if column is not None and (column not in numbers or column not in self.columns):
            raise ValueError(
                f"duplicates: {column} is not a mapped number column of {self.extract}; it has {', '.join(numbers)}"
            )
        return self

    @property
    def target(self) -> Extract:
        """The extract that it makes."""
        return EXTRACTS[self.extract]

    @property
    def layout(self) -> Layout:
        """Where the table of its files is."""
        sheet: str | int | None = self.sheet
        if self.sheet is not None and _SHEET_NUMBER.fullmatch(self.sheet):
            sheet = int(self.sheet)
        return Layout(
            sheet=sheet,
            header=self.header.place() if self.header else HeaderPlace(),
            skip_after_header=self.skip_after_header,
            stop_at=self.stop_at.place() if self.stop_at else StopPlace(),
            records=tuple(self.records.split(".")) if self.records else (),
            native=True,
            fill_down=self.fill_down,
        )

    @property
    def looks_up_key(self) -> bool:
        """Whether a column of the key is looked up, so that a load does not know the key yet."""
        return any(name in self.columns and self.columns[name].lookup is not None for name in self.target.key)

    @property
    def native_columns(self) -> frozenset[str]:
        """The native columns that it needs, as they are compared; `Sprint#2` as `Sprint`."""
        return frozenset(loose(base_name(name)) for name in self.native_names())

    def takes(self, file_name: str) -> bool:
        """Whether it takes the file with this path below LANDING.

        A pattern is compared with the path and with the name alone, in NFC, without case, with and without .gz or .zst.
        """
        return takes(self.file, file_name)

    def native_names(self) -> Iterator[str]:
        """The names of native columns that it uses, without those that `unpivot` and `split` make."""
        made = {loose(name) for name in self.unpivot.new_columns} if self.unpivot else set()
        if self.unpivot:
            for _, cells in self.unpivot.parts():
                yield from cells
        if self.split and loose(self.split.column) not in made:
            yield self.split.column
        yield from self.fill_down
        for name in self.row_names():
            if loose(name) not in made:
                yield name

    def row_names(self) -> Iterator[str]:
        """The names that the rules and filters use, native or made by `unpivot`."""
        for rule in self.columns.values():
            yield from rule.native_columns
        for condition in self.where:
            yield from condition.columns


def takes(patterns: Iterable[str], file_name: str) -> bool:
    """Whether one of the patterns takes the file with this path below LANDING (as `Mapping.takes`)."""
    path = PurePosixPath(_comparable(file_name.replace("\\", "/")))
    plain = path.with_suffix("") if path.suffix in _COMPRESSED else path
    names = {str(path), path.name, str(plain), plain.name}
    return any(fnmatch.fnmatchcase(name, _comparable(pattern)) for name in names for pattern in patterns)


def _comparable(name: str) -> str:
    """A path or a pattern as it is compared: a file from a Mac has its name in decomposed Unicode."""
    return unicodedata.normalize("NFC", name).lower()


def keys(of: type[BaseModel]) -> list[str]:
    """The keys that a person may write in this part of a mapping file."""
    return [name for name in of.model_fields if name not in OF_FILE or of is not Mapping]
