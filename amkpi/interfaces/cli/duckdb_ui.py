"""`amkpi ui`: DuckDB's own user interface on the current publication."""

from __future__ import annotations

import threading
from collections.abc import Callable

import duckdb

from amkpi.core import terminal
from amkpi.core.errors import AmkpiError
from amkpi.core.run import Run
from amkpi.publishing.reader import current_publication_file


def _until_interrupted() -> None:
    threading.Event().wait()


def open_ui(run: Run, wait: Callable[[], None] = _until_interrupted) -> None:
    """Start the user interface, and serve it until the user interrupts.

    wait: returns, or raises KeyboardInterrupt, when it should end. Raises AmkpiError without a publication, or where
    the extension is neither installed nor can be downloaded.
    """
    file = current_publication_file(run.home)
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("use marts")
        try:
            connection.execute("load ui")
            ((answer,),) = connection.execute("call start_ui()").fetchall()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise AmkpiError(
                f"DuckDB's user interface cannot be opened: {reason}; with a network, `duckdb -c 'install ui'` installs"
                " it once; without one, `amkpi query` and `amkpi explain` answer"
            ) from error
        terminal.report(f"{answer}; Ctrl-C ends it")
        try:
            wait()
        except KeyboardInterrupt:
            terminal.report("ended")
