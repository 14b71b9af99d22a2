"""No reader finds a foreign name, id, record or number on any page that they can reach.

The rule is written here once more, in plain Python: own numbers, those of everyone below on the publication's date, the
names of the own managers, and the company for group account directors and analysts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from amkpi.access.reader import reader_of
from amkpi.core.settings import Settings
from amkpi.pages.site import Site
from amkpi.scorecards.page_paths import key_of
from tests.conftest import AS_OF
from tests.pages.conftest import ANALYST
from tests.pages.reading import Document, Marts, read

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Rule:
    """What a person may see."""

    people: frozenset[str]
    named: frozenset[str]
    company: bool

    @classmethod
    def of(cls, marts: Marts, staff_id: str) -> Rule:
        staff = {row["staff_id"]: row for row in marts.rows("from dim_staff") if row["valid_from"] <= AS_OF}
        everybody = frozenset(row["staff_id"] for row in marts.rows("from dim_staff"))
        if staff_id == ANALYST:
            return cls(everybody, everybody, True)

        def above(person: str) -> list[str]:
            line: list[str] = []
            manager = staff[person]["manager_id"]
            while manager in staff and manager not in line and manager != person:
                line.append(manager)
                manager = staff[manager]["manager_id"]
            return line

        people = {person for person in staff if person == staff_id or staff_id in above(person)}
        company = staff[staff_id]["role"] == "group_account_director"
        return cls(frozenset(people), frozenset(people | set(above(staff_id))), company)


def check(path: str, body: bytes, document: Document, rule: Rule, marts: Marts) -> None:
    text = body.decode()
    for row in marts.rows("from dim_staff"):
        staff_id, name = row["staff_id"], row["full_name"]
        if staff_id in rule.named:
            continue
        assert key_of(staff_id) not in text, (path, staff_id)
        assert not re.search(rf"(?<!\w){re.escape(staff_id)}(?!\w)", document.text), (path, staff_id)
        assert name not in document.text, (path, name)
    for seen in document.figures:
        scope, staff = seen.subject.get("scope"), seen.subject.get("staff")
        if scope is not None:
            assert rule.company if scope == "company" else staff in rule.people, (path, seen)
    for element in document.elements:
        record = element.attributes.get("data-record")
        if record and not rule.company:
            assert credited(marts, record) & rule.people or is_client(marts, record, rule), (path, record)


def credited(marts: Marts, record: str) -> set[str | None]:
    """Everybody who has, or would have, the credit for a record."""
    tables = ("contract_overview contract_id", "project_overview project_id", "proposal_overview proposal_id",
              "survey_overview response_id", "kpi_evidence source_id")  # fmt: skip
    found: set[str | None] = set()
    for table, key in (each.split() for each in tables):
        found |= {row["staff_id"] for row in marts.rows(f"select staff_id from {table} where {key} = ?", record)}
    return found


def is_client(marts: Marts, record: str, rule: Rule) -> bool:
    """Whether it is a client whose manager the reader may read."""
    rows = marts.rows("select manager_id from dim_client where client_id = ?", record)
    for table in ("kpi_evidence", "contract_overview", "project_overview", "proposal_overview", "survey_overview"):
        rows += marts.rows(f"select staff_id as manager_id from {table} where client_id = ?", record)
    return any(row["manager_id"] in rule.people for row in rows)


def readers(marts: Marts) -> list[str]:
    rows = marts.rows("select staff_id from dim_staff where is_active and valid_from <= ? order by staff_id", AS_OF)
    return [row["staff_id"] for row in rows]


def walk(site: Site, settings: Settings, marts: Marts, staff_id: str, every: int) -> int:
    """Check every so many pages of a reader; those without a period always."""
    reader, rule, count = reader_of(site.names, staff_id, settings), Rule.of(marts, staff_id), 0
    assert reader is not None
    assert (reader.people, reader.named, reader.company) == (rule.people, rule.named, rule.company)
    for number, path in enumerate(site.paths(reader)):
        if path.endswith((".css", ".js")) or path == "index.html" or (number % every and path.count("/") > 1):
            continue
        answer = site.page(reader, path)
        assert answer is not None, path
        if path.endswith(".html"):
            check(path, answer.body, read(answer.body), rule, marts)
        else:
            text = answer.body.decode()
            foreign = [each for each in site.names.people if each not in rule.named and f",{each}," in text]
            assert foreign == [], path
        count += 1
    return count


def test_some_pages_of_three_readers_have_nothing_foreign(site: Site, settings: Settings, marts: Marts) -> None:
    assert [walk(site, settings, marts, staff_id, every=211) > 3 for staff_id in ("D0", "A02", "X0")]


@pytest.mark.slow
def test_every_fifth_page_of_every_reader_has_nothing_foreign(site: Site, settings: Settings, marts: Marts) -> None:
    found = {staff_id: walk(site, settings, marts, staff_id, every=5) for staff_id in readers(marts)}
    assert sum(found.values()) > 300


def test_a_page_that_does_not_exist_and_one_without_a_right_are_alike(
    site: Site, settings: Settings, marts: Marts
) -> None:
    paths = {staff_id: set(site.paths(reader)) for staff_id in readers(marts)
             if (reader := reader_of(site.names, staff_id, settings)) is not None}  # fmt: skip
    for staff_id, own in paths.items():
        reader = reader_of(site.names, staff_id, settings)
        assert reader is not None
        foreign = sorted(set().union(*paths.values()) - own)
        for path in [*foreign[:: max(1, len(foreign) // 40)], "vi/person/nobody-000000000000/2026-09.html"]:
            assert site.page(reader, path) is None, (staff_id, path)
