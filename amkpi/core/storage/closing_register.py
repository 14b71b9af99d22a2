"""The register of closings, `HOME/state/closings.jsonl`: one line per act, reopening and erasure, chained by hashes.

The first line names this HOME. Each line ends with the SHA-256 of its own content, and holds the one of the line
before: whoever changes, removes or inserts a line breaks the chain. The file is replaced as a whole, so that a process
that is killed leaves the old register or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from amkpi.core.errors import ClosingsBroken
from amkpi.core.home import Home

FILE = "closings.jsonl"
_HASH = "sha256"

# What a person does about a closing file that was altered, and about the register.
FIX = "restore HOME/state/ and HOME/closed/ from the same backup"
REGISTER_FIX = (
    f"`amkpi restore BACKUP --only {FILE}` brings it back; closings that it lacks are entered by the next run"
)


@dataclass(frozen=True)
class ClosedPeriod:
    """A period that an act closes; start and end are its first and last day."""

    grain: str
    start: date
    end: date


@dataclass(frozen=True)
class Act:
    """One closing. periods: those that it closed, in the order of their dates, shorter before longer.

    waiting_files, waiting_rows: what had not been loaded or built; rows_held_back: what was in quarantine.
    delivery: the last delivery that the publication knew. file_sha256: of the closing file.
    """

    n: int
    period: str
    periods: tuple[ClosedPeriod, ...]
    by: str
    at: datetime
    note: str
    publication_id: str
    as_of: date
    delivery: int
    pipeline_version: str
    reporting_currency: str
    waiting_files: int
    waiting_rows: int
    rows_held_back: int
    file_sha256: str

    @property
    def file_name(self) -> str:
        """The name of its file in HOME/closed/."""
        return f"{self.n}-{self.period}.duckdb"

    def file(self, home: Home) -> Path:
        """Its file."""
        return home.closed / self.file_name

    @property
    def grains(self) -> frozenset[str]:
        """The grains of which it closed a period."""
        return frozenset(period.grain for period in self.periods)

    def carried_to(self, grain: str) -> date:
        """The first day of the last period of that grain that the act closed; it takes adjustments up there."""
        return max(period.start for period in self.periods if period.grain == grain)


@dataclass(frozen=True)
class Reopening:
    """The act of that number is undone, as a whole."""

    n: int
    period: str
    by: str
    at: datetime
    note: str


@dataclass(frozen=True)
class ErasedFile:
    """Names in the closing file of the act of that number were replaced by a pseudonym, on the request of a person.

    subject: the pseudonym; before, after: the SHA-256 of the file. Figures and ids in it are as they were closed.
    """

    n: int
    period: str
    by: str
    at: datetime
    subject: str
    before: str
    after: str


Line = Act | Reopening | ErasedFile


@dataclass(frozen=True)
class Register:
    """All lines in their order, and the hash of each. home_id is None before the first act began."""

    home_id: str | None
    lines: tuple[Line, ...]
    hashes: tuple[str, ...]
    text: str = field(default="", repr=False)

    @property
    def last(self) -> tuple[int, str] | None:
        """Number and hash of the last line; None where nothing was ever closed."""
        return (self.lines[-1].n, self.hashes[-1]) if self.lines else None

    @property
    def acts(self) -> tuple[Act, ...]:
        """Every act, reopened or not."""
        return tuple(line for line in self.lines if isinstance(line, Act))

    def reopening(self, n: int) -> Reopening | None:
        """The line that reopened the act, if there is one."""
        return next((line for line in self.lines if isinstance(line, Reopening) and line.n == n), None)

    def file_hash(self, act: Act) -> str:
        """The SHA-256 that the file of an act must have: as it was closed, or after its last erasure."""
        erased = [line.after for line in self.lines if isinstance(line, ErasedFile) and line.n == act.n]
        return erased[-1] if erased else act.file_sha256

    def in_force(self, as_of: date | None = None) -> tuple[Act, ...]:
        """The acts that are not reopened and, with as_of, that a publication of that date knows; in their order."""
        return tuple(
            act for act in self.acts if self.reopening(act.n) is None and (as_of is None or act.as_of <= as_of)
        )


def path(home: Home) -> Path:
    """Where the register lies."""
    return home.state / FILE


def read(home: Home) -> Register:
    """The register; an empty one where nothing was closed. Raises ClosingsBroken where a line is not what it was."""
    file = path(home)
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return Register(None, (), ())
    except (OSError, UnicodeDecodeError) as error:
        raise ClosingsBroken(f"the register of closings {file} cannot be read: {error}; {REGISTER_FIX}") from error
    if not text:
        raise ClosingsBroken(f"the register of closings {file} is empty: {REGISTER_FIX}")
    home_id: str | None = None
    lines: list[Line] = []
    hashes: list[str] = []
    before = ""
    for number, written in enumerate(text.split("\n")[:-1], 1):
        try:
            content = json.loads(written)
            own = content.pop(_HASH)
            if _line(content) != written or content.pop("previous") != before:
                raise ValueError(written)
            if number == 1:
                home_id = str(content["home_id"])
            else:
                lines.append(_parsed(content))
                hashes.append(own)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ClosingsBroken(
                f"line {number} of the register of closings {file} was altered: {REGISTER_FIX}"
            ) from error
        before = own
    numbers = [act.n for act in lines if isinstance(act, Act)]
    if numbers != list(range(1, len(numbers) + 1)) or not text.endswith("\n"):
        raise ClosingsBroken(f"the register of closings {file} lacks a line: {REGISTER_FIX}")
    return Register(home_id, tuple(lines), tuple(hashes), text)


def begin(home: Home) -> Register:
    """The register, with its first line written if there is none yet: the id of this HOME."""
    register = read(home)
    if register.home_id is None:
        _replace(home, _line({"home_id": uuid.uuid4().hex, "previous": ""}) + "\n")
        return read(home)
    return register


def append(home: Home, register: Register, line: Line) -> Register:
    """The register with one more line, on disk when the call returns."""
    previous = register.hashes[-1] if register.hashes else _first_hash(register)
    _replace(home, register.text + _line({**to_json(line), "previous": previous}) + "\n")
    return read(home)


_WHAT: dict[type[Line], str] = {Act: "close", Reopening: "reopen", ErasedFile: "erase"}


def to_json(line: Line) -> dict[str, Any]:
    """The line's content, JSON-ready, without the hashes of the chain."""
    content: dict[str, Any] = {"what": _WHAT[type(line)], **asdict(line)}
    content["at"] = line.at.astimezone(UTC).isoformat()
    if isinstance(line, Act):
        content["as_of"] = line.as_of.isoformat()
        content["periods"] = [
            [period.grain, period.start.isoformat(), period.end.isoformat()] for period in line.periods
        ]
    return content


def _first_hash(register: Register) -> str:
    return str(json.loads(register.text.split("\n")[0])[_HASH])


def previous_hash(register: Register) -> str:
    """What the next line has as `previous`."""
    return register.hashes[-1] if register.hashes else _first_hash(register)


def act_of(content: Mapping[str, Any]) -> Act:
    """An act from what `to_json` made of it. Raises KeyError, TypeError or ValueError."""
    names = [each.name for each in fields(Act)]
    values = {name: content[name] for name in names}
    periods = tuple(
        ClosedPeriod(grain, date.fromisoformat(start), date.fromisoformat(end))
        for grain, start, end in values["periods"]
    )
    return Act(
        **values
        | {"periods": periods, "at": datetime.fromisoformat(values["at"]), "as_of": date.fromisoformat(values["as_of"])}
    )


def _parsed(content: Mapping[str, Any]) -> Line:
    if content["what"] == "close":
        return act_of(content)
    if content["what"] == "erase":
        values = {each.name: content[each.name] for each in fields(ErasedFile)}
        return ErasedFile(**values | {"at": datetime.fromisoformat(values["at"])})
    if content["what"] != "reopen":
        raise ValueError(content["what"])
    return Reopening(
        content["n"], content["period"], content["by"], datetime.fromisoformat(content["at"]), content["note"]
    )


def _line(content: Mapping[str, Any]) -> str:
    """The content as one line that ends with its own hash."""
    text = json.dumps(content, ensure_ascii=False)
    return json.dumps({**content, _HASH: hashlib.sha256(text.encode()).hexdigest()}, ensure_ascii=False)


def _replace(home: Home, text: str) -> None:
    file = path(home)
    partial = file.with_name(f".{file.name}.part")
    with partial.open("w", encoding="utf-8") as written:
        written.write(text)
        written.flush()
        os.fsync(written.fileno())
    partial.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
