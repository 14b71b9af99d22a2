"""Read the current publication. The link is resolved first, so that a reader sees the same publication throughout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file, pipeline_version
from amkpi.core.settings import Settings


@contextmanager
def published(home: Home, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the current publication, as `opened_publication`. Raises AmkpiError before the first publication."""
    file = current_file(home)
    if file is None or not file.is_file():
        raise AmkpiError(f"nothing is published in {home.published} yet: run `amkpi run`")
    with opened_publication(file, settings.timezone) as connection:
        connection.execute("set lock_configuration = true")
        yield connection


@contextmanager
def opened_publication(file: Path, timezone: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file of a publication read-only, without access to other files or the network.

    Several threads may have it open: the configuration is not locked, because a locked one cannot be set up twice.
    Raises AmkpiError if it cannot be opened, or if an earlier version made it and it lacks what is read.
    """
    try:
        connection = duckdb.connect(str(file), read_only=True)
    except duckdb.Error as error:
        raise AmkpiError(f"{file} cannot be opened: {str(error).splitlines()[0]}") from error
    try:
        connection.execute("set timezone = ?", [timezone])
        connection.execute("set search_path = 'marts'")
        connection.execute("set enable_external_access = false")
        yield connection
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        # A table or column that the publications of this version have may be missing in one of an earlier version.
        made_by = _made_by(connection)
        if made_by in (None, pipeline_version()):
            raise
        problem = " ".join(str(error).splitlines()[0].split()).rstrip("!.")
        raise AmkpiError(
            f"{problem}: {file.name} was made by {made_by}, this is {pipeline_version()}: run `amkpi run`, which"
            " publishes it again"
        ) from error
    finally:
        connection.close()


def _made_by(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The version that made the publication; None if unknown."""
    with suppress(duckdb.Error):
        return str(connection.execute("select pipeline_version from marts.publication").fetchall()[0][0])
    return None
