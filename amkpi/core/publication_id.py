"""The id of a publication: a hash of the deliveries, the date, the settings that change results, and the code.

The same inputs give the same id. The id names the published file, and an id that is current is not built again.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from functools import cache
from pathlib import Path

import duckdb

from amkpi import __version__
from amkpi.core.home import Home
from amkpi.core.paths import PACKAGE
from amkpi.core.settings import Settings
from amkpi.core.storage import closing_register, dismissals, published_hashes

# The source files that the rows of a publication depend on.
RESULT_SOURCES = (
    "core/*.py",
    "core/storage/**/*.py",
    "dbt_project/*.yml",
    "dbt_project/macros/**/*.sql",
    "dbt_project/models/**/*.sql",
    "dbt_project/models/**/*.yml",
    "dbt_project/tests/**/*.sql",
    "ingestion/**/*.py",
    "ingestion/mappings/shipped/*.yml",
    "publishing/closing/*.py",
    "publishing/mart_changes.py",
    "publishing/publication_file.py",
    "publishing/publications.py",
    "transform/**/*.py",
)
# Those that the rows of a group's publication depend on besides.
GROUP_SOURCES = (
    "dbt_project/group/*.yml",
    "dbt_project/group/models/**/*.sql",
    "dbt_project/group/models/**/*.yml",
    "group/build/*.py",
)


@cache
def pipeline_version(sources: tuple[str, ...] = RESULT_SOURCES) -> str:
    """The version with a hash of the source files that change results: different code never gives the same id."""
    digest = hashlib.sha256()
    # Only the code that builds and publishes: another text on the terminal or on a page makes no new publication.
    for pattern in sources:
        for path in sorted(PACKAGE.glob(pattern)):
            digest.update(path.relative_to(PACKAGE).as_posix().encode())
            digest.update(path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:8]}"


def publication_id(home: Home, connection: duckdb.DuckDBPyConnection, settings: Settings, as_of: date) -> str:
    """The id that a publication of the warehouse as it is now would have: sixteen hexadecimal digits.

    Raises ClosingsBroken where the register of closings, whose last line is an input too, was altered.
    """
    deliveries = connection.execute(
        "select run, file_name, extract, source, sha256, status, rows_read from raw.ledger order by delivery"
    ).fetchall()
    last = closing_register.read(home).last
    closed: list[object] = [] if last is None else [last]
    # Most agencies never dismiss a row: then the id is as without this.
    closed += [[each.extract, each.delivery, each.line] for each in dismissals.read(home.state)]
    basis = json.dumps([deliveries, as_of.isoformat(), settings.fingerprint_fields(), pipeline_version(), *closed])
    return hashlib.sha256(basis.encode()).hexdigest()[:16]


def published_file(home: Home, identity: str) -> Path:
    """The file of a publication."""
    return home.published / f"kpi_{identity}.duckdb"


def current_file(home: Home) -> Path | None:
    """The current publication; None before the first.

    By the path of HOME as it was given: one through a link, or with `..`, names the same file as `published_file`.
    """
    return home.published / home.current.resolve().name if home.current.exists() else None


def is_current(home: Home, identity: str) -> bool:
    """Whether this publication is the current one, and its file is what was published."""
    file = published_file(home, identity)
    return current_file(home) == file and not published_hashes.is_damaged(home, file)
