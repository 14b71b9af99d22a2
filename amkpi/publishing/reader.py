"""Read the current publication. The link is resolved first, so that a reader sees the same publication throughout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file
from amkpi.core.settings import Settings


@contextmanager
def published(home: Home, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the current publication read-only, without access to other files or the network.

    Raises AmkpiError before the first publication.
    """
    file = current_file(home)
    if file is None or not file.is_file():
        raise AmkpiError(f"nothing is published in {home.published} yet: run `amkpi run`")
    try:
        connection = duckdb.connect(str(file), read_only=True)
    except duckdb.Error as error:
        raise AmkpiError(f"{file} cannot be opened: {str(error).splitlines()[0]}") from error
    try:
        connection.execute("set timezone = ?", [settings.timezone])
        connection.execute("set search_path = 'marts'")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection
    finally:
        connection.close()
