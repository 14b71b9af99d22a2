"""Fifty readers at once, while one publication after the other becomes current."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from amkpi.core.publication_id import current_file
from amkpi.core.run import Run
from amkpi.core.settings import Settings
from amkpi.publishing.reader import open_publication, reading
from tests.pages.conftest import copy_with_addresses
from tools.benchmarks.pages import PUBLICATIONS, READERS, measure_served
from tools.benchmarks.readers import Pace

# Enough for the server to be asked all the time. How long an answer takes is measured by `make bench` and not here.
PACE = Pace(pages=8, pause=(0.0, 0.5))


@pytest.mark.slow
def test_fifty_readers_get_every_page_while_twenty_publications_become_current(tmp_path: Path, run: Run) -> None:
    home = copy_with_addresses(run, tmp_path / "home")
    load = measure_served(tmp_path, home, PACE)
    assert [error for reading in load.readings for error in reading.errors] == []
    assert [len(reading.pages) for reading in load.readings] == [PACE.pages] * READERS
    newest = current_file(home)
    assert newest is not None
    assert len(set(load.published)) == PUBLICATIONS
    assert newest.name == load.published[-1]
    assert load.open_files <= {newest}
    log = (tmp_path / "serve.log").read_text(encoding="utf-8")
    assert "Traceback" not in log, log


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
