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

import os
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

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


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Reader(_Table):
    address: str = Field(pattern=r"^[^@\n]+@[^@\n]+$")
    language: Language = "vi"


class _Group(_Table):
    name: str = Field(min_length=1)
    reporting_currency: str = Field(pattern=r"^[A-Z]{3}$")
    leadership: list[_Reader] = []
    most_days_behind: int = Field(default=7, ge=0)


class _Agency(_Table):
    code: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    name: str = Field(min_length=1)
    region: str = ""
    home: str = Field(min_length=1)
    landing: str | None = Field(default=None, min_length=1)
    timezone: str | None = None
    engine: Literal["duckdb", "spark"] | None = None
    pool: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,200}$")
    queue: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,200}$")

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
    except OSError:
        return read_agencies(file)  # which says why
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
        raise AmkpiError(f"{file}: cannot be read: {error.strerror}; {VARIABLE} names this file") from error
    try:
        parsed = _File.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        raise AmkpiError(f"{file}: {_place(problem['loc'], values)}: {problem['msg']}") from error
    agencies = tuple(_agency(each, file.parent) for each in parsed.agencies)
    _check_none_twice(file, "code", (each.code for each in agencies))
    _check_none_twice(file, "home", (str(each.home.root.resolve()) for each in agencies))
    _check_none_twice(file, "landing", (str(each.home.landing.resolve()) for each in agencies))
    _check_none_twice(file, "pool", (each.pool for each in agencies))
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


def _place(path: tuple[int | str, ...], values: Mapping[str, Any]) -> str:
    """Where in the file: `agency hanoi: timezone`, or the number of an agency without a code."""
    match path:
        case ("agencies", int(number), *keys):
            entry = values["agencies"][number]
            code = entry.get("code") if isinstance(entry, dict) else None
            return ": ".join([f"agency {code}" if code else f"agency number {number + 1}", *map(str, keys)])
        case _:
            return ".".join(map(str, path))


def _check_none_twice(file: Path, key: str, values: Iterable[str]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise AmkpiError(f"{file}: two agencies have the {key} {twice[0]}: give each its own")
