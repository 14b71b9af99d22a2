"""Whether something of an agency waits for a load or a build: a look that writes nothing and takes no lock."""

from __future__ import annotations

import duckdb

from amkpi.core.home import Home
from amkpi.ingestion import landing, unprocessed


def is_anything_waiting(home: Home) -> bool:
    """Whether LANDING has a file, or the warehouse has rows that no build has used.

    While another process writes the warehouse nothing waits that it does not see itself. Raises AmkpiError where
    LANDING cannot be listed.
    """
    if home.landing.is_dir() and landing.waiting(home.landing):
        return True
    if not home.warehouse.is_file():
        return False
    try:
        with duckdb.connect(str(home.warehouse), read_only=True) as connection:
            return unprocessed.is_any(connection)
    except duckdb.Error as error:
        # A load says what is wrong with the file.
        return "lock" not in str(error)
