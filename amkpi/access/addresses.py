"""The address at which a person is reached: a change in the staff extract is held at first.

Else whoever can change the staff extract could have somebody's scorecards and sign-in links sent to himself.
HOME/state/ has the confirmed address of each person. `published/addresses.json` has a hash of each, for the pages,
which see no other part of HOME.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from amkpi.access.names import Names, StaffMember
from amkpi.access.reader import address_key
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.storage.migrations.state_stores import ADDRESSES

FILE = "addresses.json"


@dataclass(frozen=True)
class Change:
    """An address that is held. old_told: when the old address was told, told: when everybody was."""

    staff_id: str
    old: str
    new: str
    seen: datetime
    old_told: datetime | None
    old_answer: str
    told: datetime | None


def observe(state: Path, people: Iterable[tuple[str, str | None]], now: datetime) -> None:
    """Compare the addresses of the staff extract, by staff id, with the confirmed ones. Raises AmkpiError.

    The first address of a person is confirmed at once. Another one later is a change, also after a time without one. A
    change that is taken back is forgotten.
    """
    found = {staff_id: address.strip() for staff_id, address in people if address and address_key(address)}
    with ADDRESSES.open(state) as connection:
        confirmed = dict(connection.execute("select staff_id, address from confirmed").fetchall())
        waiting = dict(connection.execute("select staff_id, new from changes").fetchall())
        for staff_id, address in found.items():
            before = confirmed.get(staff_id)
            if before is None:
                connection.execute("insert into confirmed (staff_id, address) values (?, ?)", [staff_id, address])
            elif address_key(before) == address_key(address):
                connection.execute("delete from changes where staff_id = ?", [staff_id])
            elif address_key(waiting.get(staff_id)) != address_key(address):
                connection.execute(
                    "insert or replace into changes (staff_id, old, new, seen) values (?, ?, ?, ?)",
                    [staff_id, before, address, _text(now)],
                )


def changes(state: Path) -> list[Change]:
    """The addresses that are held, by staff id. Raises AmkpiError."""

    def change(
        staff_id: str, old: str, new: str, seen: str, old_told: str | None, answer: str, told: str | None
    ) -> Change:
        return Change(staff_id, old, new, datetime.fromisoformat(seen), _moment(old_told), answer, _moment(told))

    columns = "staff_id, old, new, seen, old_told, old_answer, told"
    return ADDRESSES.read(state, f"select {columns} from changes order by staff_id", change)


def mark_old_told(state: Path, change: Change, answer: str, now: datetime) -> None:
    """Keep that the old address was told of a change, and what its server answered. Raises AmkpiError."""
    with ADDRESSES.open(state) as connection:
        connection.execute(
            "update changes set old_told = ?, old_answer = ? where staff_id = ? and new = ?",
            [_text(now), answer, change.staff_id, change.new],
        )


def mark_told(state: Path, change: Change, now: datetime) -> None:
    """Keep that everybody was told of a change. Raises AmkpiError."""
    with ADDRESSES.open(state) as connection:
        connection.execute(
            "update changes set told = ? where staff_id = ? and new = ?", [_text(now), change.staff_id, change.new]
        )


def confirm(home: Home, wanted: Iterable[Change]) -> None:
    """A person has confirmed these changes: the new addresses get everything from now on. Raises AmkpiError."""
    with ADDRESSES.open(home.state) as connection:
        for change in wanted:
            connection.execute(
                "update confirmed set address = ? where staff_id = ? and exists"
                " (select 1 from changes where changes.staff_id = confirmed.staff_id and changes.new = ?)",
                [change.new, change.staff_id, change.new],
            )
            connection.execute("delete from changes where staff_id = ? and new = ?", [change.staff_id, change.new])
    write_published(home)


def settle(home: Home, hours: int, now: datetime) -> None:
    """Confirm the changes that everybody was told of so many hours ago. Raises AmkpiError."""
    due = [each for each in changes(home.state) if each.told and each.told + timedelta(hours=hours) <= now]
    if due:
        confirm(home, due)


def held(state: Path, names: Names) -> frozenset[str]:
    """Whose address in these names gets nothing yet. Raises AmkpiError."""
    if not ADDRESSES.exists(state):
        return frozenset()
    digests = _digests(confirmed(state))
    return frozenset(staff_id for staff_id, person in names.people.items() if _is_held(person, digests))


def confirmed(state: Path) -> dict[str, str]:
    """The confirmed address of each person, by staff id. Raises AmkpiError."""
    with ADDRESSES.open(state) as connection:
        return dict(connection.execute("select staff_id, address from confirmed").fetchall())


def write_published(home: Home) -> None:
    """Write the hashes of the confirmed addresses next to the publications. Raises AmkpiError."""
    file = home.published / FILE
    text = json.dumps(_digests(confirmed(home.state)), indent=0, sort_keys=True) + "\n"
    try:
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            return
        partial = file.with_name(f".{FILE}.{os.getpid()}")
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise AmkpiError(f"{file} cannot be written: {error.strerror}") from error


class PublishedAddresses:
    """The hashes of the confirmed addresses, as a reader of `published/` sees them; read again when they change."""

    def __init__(self, home: Home) -> None:
        """Nothing is read yet."""
        self._file = home.published / FILE
        self._seen: tuple[int, int] | None = None
        self._digests: Mapping[str, str] = {}

    def version(self) -> tuple[int, int] | None:
        """Another value after each change of the file; None where there is none."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def reachable(self, names: Names) -> Names:
        """The names without the addresses that are held. Raises AmkpiError where the file is damaged."""
        version = self.version()
        # A file that has gone releases nothing.
        if version is not None and version != self._seen:
            self._digests = self._read()
            self._seen = version
        people = {
            staff_id: replace(person, email=None) if _is_held(person, self._digests) else person
            for staff_id, person in names.people.items()
        }
        return replace(names, people=people)

    def _read(self) -> Mapping[str, str]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise AmkpiError(f"{self._file} cannot be read: {error}; the next publication writes it again") from error
        if not isinstance(found, dict):
            raise AmkpiError(f"{self._file} is damaged: remove it; the next publication writes it again")
        return found


def _is_held(person: StaffMember, digests: Mapping[str, str]) -> bool:
    before = digests.get(person.staff_id)
    is_address = bool(address_key(person.email))
    return before is not None and is_address and before != _digest(person.staff_id, person.email)


def _digests(addresses: Mapping[str, str]) -> dict[str, str]:
    return {staff_id: _digest(staff_id, address) for staff_id, address in addresses.items()}


def _digest(staff_id: str, address: str | None) -> str:
    return hashlib.sha256(f"{staff_id}\n{address_key(address)}".encode()).hexdigest()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
