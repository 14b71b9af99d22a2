"""Many readers at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from amkpi.core.settings import Settings
from amkpi.publishing.reader import open_publication, reading


def test_a_publication_is_opened_and_read_by_several_threads_at_once(file: Path, settings: Settings) -> None:
    def read(_: int) -> str:
        opened = open_publication(file, settings.timezone)
        try:
            with reading(opened, file) as connection, pytest.raises(duckdb.Error, match="locked"):
                connection.execute("set enable_external_access = true")
            with reading(opened, file) as connection:
                return str(connection.execute("select current_setting('timezone') from publication").fetchall()[0][0])
        finally:
            opened.close()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(read, range(12))) == {settings.timezone}
