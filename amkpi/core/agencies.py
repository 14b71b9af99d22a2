"""agencies.toml: the agencies of a group that one Airflow runs, and that the group's view adds up.

[group]
name = "Sao Mai Group"
reporting_currency = "VND"
leadership = [{address = "Trần Minh <minh@saomai.vn>", language = "vi"}]   # who gets the group's scorecards

[[agencies]]
code = "hanoi"              # in the names of DAGs, pools and folders: it never changes
name = "Sao Mai Hà Nội"
region = "North"
home = "hanoi"              # relative to the folder of this file
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.language.translation import Language

# The environment variable that names the file.
VARIABLE = "AMKPI_AGENCIES"


@dataclass(frozen=True)
class Agency:
    """One agency of the group. `timezone` and `engine` are None where the agency's own settings decide.

    pool: Airflow's, of its one writer. queue: of the worker that has its HOME; None: any worker has it.
    """

    code: str
    name: str
    region: str
    home: Home
    timezone: str | None
    engine: str | None
    pool: str
    queue: str | None = None


@dataclass(frozen=True)
class Reader:
    """Who gets the group's scorecards. address: `name@group.vn`, or `Name <name@group.vn>`."""

    address: str
    language: Language


@dataclass(frozen=True)
class Agencies:
    """The group and its agencies, in the order of the file.

    leadership: who gets the group's scorecards. most_days_behind: an agency whose publication is more days older than
    the newest one does not hold back the date of the group.
    """

    file: Path
    group_name: str
    reporting_currency: str
    agencies: tuple[Agency, ...]
    leadership: tuple[Reader, ...] = ()
    most_days_behind: int = 7

    def of_code(self, code: str) -> Agency:
        """The agency of this code. Raises AmkpiError that names the known codes."""
        for agency in self.agencies:
            if agency.code == code:
                return agency
        raise AmkpiError(f"{self.file}: no agency {code}; known are {', '.join(each.code for each in self.agencies)}")

    def of_home(self, home: Home) -> Agency | None:
        """The agency whose HOME this is, None if it is none of the group's."""
        if same := next((agency for agency in self.agencies if agency.home.root == home.root), None):
            return same
        root = home.root.resolve()
        return next((agency for agency in self.agencies if agency.home.root.resolve() == root), None)


def _like(pattern: str, advice: str) -> AfterValidator:
    """A text that is like the pattern, else the advice is what a person reads: a pattern tells them nothing."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(advice)
        return text

    return AfterValidator(check)


_Text = Annotated[str, _like(r"(?s).+", "must not be empty")]
_Code = Annotated[
    str, _like(r"[a-z0-9][a-z0-9_-]{0,39}", "write at most 40 lower-case letters, digits, - and _, such as ho-chi-minh")
]
_Word = Annotated[str, _like(r"[A-Za-z0-9_.-]{1,200}", "write letters without accents, digits, -, _ and . only")]
_Currency = Annotated[str, _like(r"[A-Z]{3}", "write three capital letters, such as VND")]
_Address = Annotated[str, _like(r"[^@\n]+@[^@\n]+", "write it as minh@saomai.vn or Trần Minh <minh@saomai.vn>")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Reader(_Table):
    address: _Address
    language: Language = "vi"


class _Group(_Table):
    name: _Text
    reporting_currency: _Currency
    leadership: list[_Reader] = []
    most_days_behind: int = Field(default=7, ge=0)


class _Agency(_Table):
    code: _Code
    name: _Text
    region: str = ""
    home: _Text
    landing: _Text | None = None
    timezone: str | None = None
    engine: Literal["duckdb", "spark"] | None = None
    pool: _Word | None = None
    queue: _Word | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("not a time zone; write it as in Asia/Ho_Chi_Minh") from error
        return value


class _File(_Table):
    group: _Group
    agencies: list[_Agency] = Field(min_length=1)


# The table that stands at a place of the file, whose numbers are left out.
_TABLES: dict[tuple[str, ...], type[_Table]] = {
    (): _File, ("group",): _Group, ("group", "leadership"): _Reader, ("agencies",): _Agency,
}  # fmt: skip
# How to give what is not there, where `a` and its key do not say it.
_NEEDED = {
    "group": "a table [group]",
    "agencies": "a table [[agencies]] for each agency",
    "leadership": 'a list: leadership = [{address = "minh@saomai.vn"}]',
    "address": "an address",
}


def agencies_file(environment: Mapping[str, str] | None = None) -> Path | None:
    """The file that AMKPI_AGENCIES names, None where it is not set. environment: `os.environ` when None."""
    name = (os.environ if environment is None else environment).get(VARIABLE, "")
    return Path(name) if name else None


def group_agencies() -> Agencies:
    """The agencies of AMKPI_AGENCIES, for a command that needs them. Raises AmkpiError where it is not set."""
    found = current_agencies()
    if found is None:
        raise AmkpiError(f"no agencies given: set {VARIABLE} to the path of agencies.toml")
    return found


def current_agencies(environment: Mapping[str, str] | None = None) -> Agencies | None:
    """The agencies of the file that AMKPI_AGENCIES names, None where it is not set. Read again when it has changed.

    Raises AmkpiError.
    """
    file = agencies_file(environment)
    if file is None:
        return None
    try:
        status = file.expanduser().stat()
    except OSError as error:
        raise AmkpiError(f"{file}: cannot be read: {error.strerror}; {VARIABLE} names this file") from error
    return _read_again(file, (status.st_mtime_ns, status.st_size, status.st_ino))


# With 500 agencies it takes 50 ms, and every look at the settings of one needs it.
@lru_cache(maxsize=4)
def _read_again(file: Path, stamp: tuple[int, int, int]) -> Agencies:
    return read_agencies(file)


def read_agencies(file: Path) -> Agencies:
    """Read the file. Raises AmkpiError that names the file, the entry and the fix.

    Two agencies must not share a code, a HOME, a LANDING or a pool: each has one writer, and files of its own.
    """
    file = file.expanduser().absolute()
    try:
        with file.open("rb") as opened:
            values = tomllib.load(opened)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AmkpiError(f"{file}: not valid TOML: {error}") from error
    except OSError as error:
        raise AmkpiError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        parsed = _File.model_validate(values)
    except ValidationError as error:
        # A key that is misspelt is also missing.
        first = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        raise AmkpiError(f"{file}: {_told(first, values)}") from error
    agencies = tuple(_agency(each, file.parent) for each in parsed.agencies)
    _check_none_twice(file, "code", agencies, lambda each: each.code)
    _check_none_twice(file, "home", agencies, lambda each: str(each.home.root.resolve()))
    _check_none_twice(file, "landing", agencies, lambda each: str(each.home.landing.resolve()))
    _check_none_twice(file, "pool", agencies, lambda each: each.pool)
    readers = tuple(Reader(each.address, each.language) for each in parsed.group.leadership)
    group = parsed.group
    return Agencies(file, group.name, group.reporting_currency, agencies, readers, group.most_days_behind)


def _agency(given: _Agency, folder: Path) -> Agency:
    """A path is relative to the folder of the file."""
    landing = None if given.landing is None else folder / Path(given.landing).expanduser()
    return Agency(
        code=given.code,
        name=given.name,
        region=given.region,
        home=Home.at(folder / Path(given.home).expanduser(), landing),
        timezone=given.timezone,
        engine=given.engine,
        pool=given.pool or f"amkpi_{given.code}",
        queue=given.queue,
    )


def _told(problem: ErrorDetails, values: Mapping[str, Any]) -> str:
    """What is wrong, where, and how to correct it, in the words of the file."""
    *above, key = problem["loc"]
    place = _place(above, values)
    prefix = f"{place}: " if place else ""
    match problem["type"]:
        case "extra_forbidden":
            known = _keys(above)
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            return f"{prefix}no key {key}; {hint}"
        case "model_type" if isinstance(key, int):
            return f"{_place(problem['loc'], values)}: must be a table of {', '.join(_keys(problem['loc']))}"
        case "missing" | "too_short" | "list_type" | "model_type":
            return f"{prefix}needs {_NEEDED.get(str(key), f'a {key}')}"
        case "value_error":
            advice = str(problem["ctx"]["error"])
        case _:
            advice = problem["msg"].replace("Input should be", "must be")
    return f"{'group.' if place == 'group' else prefix}{key} {problem['input']!r}: {advice}"


def _keys(path: Sequence[int | str]) -> list[str]:
    """The keys of the table at this place."""
    return list(_TABLES[tuple(part for part in path if isinstance(part, str))].model_fields)


def _place(path: Sequence[int | str], values: Mapping[str, Any]) -> str:
    """A table: `agency hanoi`, its number where it has no code, `leadership number 2`; empty for the whole file."""
    match path:
        case ["agencies", int(number)]:
            entry = values["agencies"][number]
            code = entry.get("code") if isinstance(entry, dict) else None
            return f"agency {code}" if code else f"agency number {number + 1}"
        case [*_, str(table), int(number)]:
            return f"{table} number {number + 1}"
        case _:
            return ".".join(map(str, path))


def _check_none_twice(file: Path, key: str, agencies: Sequence[Agency], value_of: Callable[[Agency], str]) -> None:
    first: dict[str, str] = {}
    for agency in agencies:
        value = value_of(agency)
        if value in first:
            which = "" if key == "code" else f" ({first[value]} and {agency.code})"
            raise AmkpiError(f"{file}: two agencies{which} have the {key} {value}: give each its own")
        first[value] = agency.code
