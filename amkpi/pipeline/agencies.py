"""`amkpi agencies`: the agencies of the group, each with its last publication and what needs attention."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import duckdb
from rich import box
from rich.markup import escape
from rich.table import Table

from amkpi.core import terminal
from amkpi.core.agencies import Agencies, Agency
from amkpi.core.errors import AmkpiError
from amkpi.core.language import formatting
from amkpi.core.run import Run
from amkpi.core.storage.permissions import refusal
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.pipeline.status import read_status


@dataclass(frozen=True)
class AgencyStatus:
    """An agency. as_of and published_at: of its current publication, None before the first one.

    problems: lines for a person to act on, its open alerts, and a blocked publication; empty: all is well. waiting:
    files in LANDING.
    """

    code: str
    name: str
    region: str
    as_of: date | None
    published_at: datetime | None
    waiting: int
    problems: tuple[str, ...]


def make_folders(agency: Agency) -> None:
    """Make HOME and LANDING of an agency, with a folder in LANDING for each extract. Raises AmkpiError."""
    try:
        for folder in (agency.home.root, agency.home.landing):
            folder.mkdir(parents=True, exist_ok=True)
        Run.of_agency(agency).home.make()
        for extract in EXTRACTS:
            (agency.home.landing / extract).mkdir(exist_ok=True)
    except OSError as error:
        raise AmkpiError(refusal(error) or f"cannot create {error.filename}: {error.strerror}") from error


def make_folders_of_each(group: Agencies) -> list[str]:
    """Make the folders of every agency; returns a line for each where they cannot be made."""
    failed = []
    for agency in group.agencies:
        try:
            make_folders(agency)
        except AmkpiError as error:
            failed.append(f"{agency.code}: {error}")
    return failed


def read_agency(agency: Agency) -> AgencyStatus:
    """Read the status of an agency. What makes it unreadable is its problem: the others are still shown."""
    try:
        found = read_status(Run.of_agency(agency))
    except (AmkpiError, OSError, duckdb.Error) as error:
        problem = " ".join(str(refusal(error) or error).split())
        return AgencyStatus(agency.code, agency.name, agency.region, None, None, 0, (problem,))
    alerts = (f"{alert.type} {alert.about}: {alert.facts}".replace(" :", ":") for alert in found.alerts)
    blocked: tuple[str, ...] = ()
    # Airflow's task raises an alert for it, and a command does not.
    if found.audit and not found.audit.passed and all(alert.type != "publication-blocked" for alert in found.alerts):
        blocked = (f"the audit as of {formatting.day(found.audit.as_of)} blocked publication: see {found.audit.page}",)
    shown = found.publication
    return AgencyStatus(
        agency.code,
        agency.name,
        agency.region,
        shown.as_of if shown else None,
        shown.published_at if shown else None,
        len(found.waiting),
        (*found.problems, *blocked, *alerts),
    )


def read_agencies_status(group: Agencies) -> list[AgencyStatus]:
    """Read the status of every agency, in the order of the file."""
    return [read_agency(agency) for agency in group.agencies]


def show_agencies(found: Iterable[AgencyStatus]) -> None:
    """Print them as a table, then a line for each problem."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("agency", "name", "region", "as of", "published", "waiting", "problems"):
        table.add_column(name, justify="right" if name in ("waiting", "problems") else "left")
    problems = []
    for each in found:
        table.add_row(
            each.code,
            escape(each.name),
            escape(each.region),
            formatting.day(each.as_of) if each.as_of else "nothing yet",
            f"{each.published_at:%d/%m/%Y %H:%M %z}" if each.published_at else "",
            str(each.waiting),
            str(len(each.problems)),
        )
        problems += [f"{each.code}: {problem}" for problem in each.problems]
    terminal.out().print(table)
    for problem in problems:
        terminal.warn(problem)
