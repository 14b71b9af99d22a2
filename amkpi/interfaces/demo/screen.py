"""What the demo shows on the terminal."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner


class Screen:
    """One line for each step on the terminal. All other output goes to the log."""

    def __init__(self, terminal: IO[str]) -> None:
        console = Console(file=terminal, highlight=False)
        self.console = console if console.is_terminal else Console(file=terminal, highlight=False, width=110)
        self._live: Live | None = None
        self._name, self._started = "", 0.0

    def begin(self, name: str) -> None:
        """Show that a step is running."""
        self._name, self._started = name, time.monotonic()
        # Console.status would redirect standard output to the terminal, with the output that is meant for the log.
        self._live = Live(
            Spinner("dots", f"[bold]{name}[/]"),
            console=self.console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def show_progress(self, line: str) -> None:
        """Show what the step is doing."""
        if self._live is not None:
            self._live.update(Spinner("dots", f"[bold]{self._name}[/]  [dim]{escape(line)}[/]"))

    def end(self, sign: str, summary: str) -> None:
        """Print the line of the step: how it ended, its seconds, its counts."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        seconds = time.monotonic() - self._started
        self.console.print(f"{sign} {self._name:<22} [dim]{seconds:6.1f} s[/]  {escape(summary)}", soft_wrap=True)

    @contextmanager
    def step(self, name: str, summary: str) -> Iterator[None]:
        """A step that is no task of a DAG."""
        self.begin(name)
        try:
            yield
        except BaseException:
            self.end("[red]✗[/]", "")
            raise
        self.end("[green]✓[/]", summary)


class ProgressHandler(logging.Handler):
    """Shows what the tasks log about their progress."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.INFO)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.show_progress(record.getMessage())


@contextmanager
def output_to_log(log: Path) -> Iterator[IO[str]]:
    """Send standard output and standard error to the log; gives the terminal.

    By file descriptor: Airflow, dbt and their libraries hold their own references to the streams.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    out, err = os.dup(1), os.dup(2)
    with log.open("a", encoding="utf-8") as file, os.fdopen(os.dup(out), "w", encoding="utf-8") as terminal:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield terminal
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(out, 1)
            os.dup2(err, 2)
            os.close(out)
            os.close(err)


def discard_stderr() -> None:
    """Print nothing more: at the end of the process, DuckDB reports what Airflow still holds as leaks."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
