"""Who asks the MCP server, what this reader may see, and the publication that answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from amkpi.access.names import Names, read_names
from amkpi.access.reader import Reader, analyst, reader_of
from amkpi.core.errors import AmkpiError
from amkpi.core.language.names import unmarked
from amkpi.core.language.periods import Period
from amkpi.core.run import Run
from amkpi.explain.arguments import find_kpi, find_period
from amkpi.explain.evidence import Question, Scope
from amkpi.publishing.reader import published

ANALYST = "analyst"
_ME = {"me", "i", "myself", "tôi", "toi", "mình"}
_MOST_CANDIDATES = 5


@dataclass(frozen=True)
class Asked:
    """An open publication with the rights of the caller. asked_as: their staff id, or `analyst`."""

    run: Run
    connection: duckdb.DuckDBPyConnection
    names: Names
    reader: Reader
    asked_as: str
    publication_id: str
    as_of: date
    currency: str

    @property
    def head(self) -> dict[str, Any]:
        """The fields that every answer has, except n and null_reason."""
        return {
            "publication_id": self.publication_id,
            "as_of": self.as_of,
            "reporting_currency": self.currency,
            "asked_as": self.asked_as,
        }

    def name(self, staff_id: str | None) -> str | None:
        """A person's name, where the caller may see it."""
        if staff_id is None or not self.reader.may_name(staff_id):
            return None
        person = self.names.people.get(staff_id)
        return person.full_name if person else None

    def question(self, kpi: str, period: str | None, person: str | None, scope: Scope | None) -> Question:
        """The value that is meant. Raises AmkpiError where it is ambiguous, unknown, or not for this caller."""
        staff_id, chosen = self.subject(person, scope)
        return Question(find_kpi(kpi), chosen, staff_id, self.period(period))

    def subject(self, person: str | None, scope: Scope | None) -> tuple[str | None, Scope]:
        """The person and scope that are meant, as far as the caller may read them. Raises AmkpiError."""
        if person is None or not person.strip():
            if scope in ("own", "team"):
                raise AmkpiError(f"scope {scope} needs a person: a staff id, a name, or me")
            self.check("company", None)
            return None, "company"
        if scope == "company":
            raise AmkpiError("the company is not a person: leave person out, or use scope own or team")
        staff_id, chosen = self._person(person), scope or "own"
        self.check(chosen, staff_id)
        return staff_id, chosen

    def check(self, scope: Scope, staff_id: str | None) -> None:
        """Raise AmkpiError unless the caller may read the numbers of this scope."""
        if not self.reader.may_read(scope, staff_id):
            whose = "the company" if staff_id is None else f"the {scope} values of {staff_id}"
            raise AmkpiError(f"{self.asked_as} may not read {whose}: list_kpis names the people who may be read")

    def period(self, text: str | None) -> Period:
        """The period of that name; without one the newest month that is over. Raises AmkpiError."""
        if text is not None and text.strip():
            return find_period(text.strip())
        month = Period.holding("month", self.as_of)
        return month if month.end <= self.as_of else month.before()

    def _person(self, text: str) -> str:
        wanted = text.strip()
        if wanted.casefold() in _ME:
            if self.reader.staff_id is None:
                raise AmkpiError("an analyst is nobody of the staff: name a person by staff id or name")
            return self.reader.staff_id
        if wanted in self.names.people:
            return wanted
        known = {key: each.full_name for key, each in self.names.people.items() if key in self.reader.people}
        plain = unmarked(wanted)
        exact = [key for key, name in known.items() if unmarked(name) == plain or key.casefold() == wanted.casefold()]
        found = exact or [key for key, name in known.items() if _is_part(plain, unmarked(name))]
        if len(found) == 1:
            return found[0]
        if found:
            shown = ", ".join(f"{key} ({known[key]})" for key in sorted(found)[:_MOST_CANDIDATES])
            more = f" and {len(found) - _MOST_CANDIDATES} more" if len(found) > _MOST_CANDIDATES else ""
            raise AmkpiError(f"{text!r} fits {len(found)} people: give the staff id of {shown}{more}")
        raise AmkpiError(f"no person {text!r} whom {self.asked_as} may read: list_kpis names the people")


def _is_part(words: str, name: str) -> bool:
    """Whether these whole words are a part of a name: `an` is not a part of `lan`."""
    return bool(words) and f" {words} " in f" {name} "


class Caller:
    """The caller of one server: every call opens the publication that is current then."""

    def __init__(self, run: Run, asked_as: str) -> None:
        """asked_as: a staff id, or `analyst` for who reads everything."""
        self.run = run
        self._asked_as = asked_as

    @contextmanager
    def asking(self) -> Iterator[Asked]:
        """Open the current publication with the caller's rights. Raises AmkpiError where the caller has none."""
        with published(self.run.home, self.run.settings) as connection:
            ((identity, as_of, currency),) = connection.execute(
                "select publication_id, as_of, reporting_currency from publication"
            ).fetchall()
            names = read_names(connection)
            if self._asked_as == ANALYST:
                reader: Reader | None = analyst(names)
            else:
                reader = reader_of(names, self._asked_as, self.run.settings)
            if reader is None:
                raise AmkpiError(f"--as {self._asked_as}: no active person has this staff id; or use --as analyst")
            yield Asked(self.run, connection, names, reader, self._asked_as, identity, as_of, currency)
