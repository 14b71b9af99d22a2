"""Help, examples, completion, colours, and the commands that help with other tools."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import duckdb
import pytest

from amkpi.core import terminal
from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from amkpi.interfaces.cli import duckdb_ui
from amkpi.interfaces.cli.main import app
from tests.command_line import amkpi, failed, variables
from tests.conftest import AS_OF
from tests.publishing.published_files import small_publication


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


COMMANDS = dict(commands(app))


def examples(text: str) -> list[str]:
    """The lines below `Examples:` of a help."""
    below = text.partition("Examples:\n")[2].partition("\n\n")[0]
    return [line.strip() for line in below.splitlines() if line.strip()]


@pytest.mark.parametrize("path", [(), *COMMANDS], ids=lambda path: " ".join(path) or "amkpi")
def test_every_help_has_h_and_examples_that_the_command_line_accepts(path: tuple[str, ...]) -> None:
    short, long = amkpi(None, *path, "-h"), amkpi(None, *path, "--help")
    assert short.code == 0
    assert short.stdout == long.stdout
    found = examples(short.stdout)
    assert found, short.stdout
    for example in found:
        words = shlex.split(re.split(r" (?:>>?|&&) ", example)[0])
        assert words[0] == "amkpi", example
        if path and "alarms" not in path:
            assert words[1 : len(path) + 1] == list(path)
        arguments, command = words[1:], app
        context = click.Context(app, **app.context_settings)
        while isinstance(command, click.Group) and arguments:
            name, command = arguments[0], command.commands[arguments[0]]
            context = click.Context(command, parent=context, info_name=name)
            arguments = arguments[1:]
        command.make_context(str(context.info_name), arguments, parent=context.parent)


def test_options_name_their_variables() -> None:
    for path, command in COMMANDS.items():
        shown = amkpi(None, *path, "-h").stdout
        for parameter in command.params:
            if parameter.name in ("home", "landing", "as_of"):
                assert f"[env: AMKPI_{str(parameter.name).upper()}" in shown, path
    assert "AMKPI_QUERY_SECONDS" in amkpi(None, "query", "-h").stdout
    shown = amkpi(None, "-h").stdout
    for name in ("AMKPI_HOME", "AMKPI_LANDING", "AMKPI_AS_OF", "NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING"):
        assert name in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_a_shell_is_printed(shell: str) -> None:
    assert "_AMKPI_COMPLETE" in amkpi(None, "completion", shell).stdout


def test_a_shell_completes_commands_formats_and_kpis() -> None:
    def completed(*words: str) -> str:
        environment = {"_AMKPI_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(("amkpi", *words))}
        done = subprocess.run(
            [sys.executable, "-c", "from amkpi.interfaces.cli.main import main; main()"],
            env=variables(None, **environment, COMP_CWORD=str(len(words))), capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout

    assert "plain,explain" in completed("exp")
    assert completed("query", "--format", "par") == "plain,parquet\n"
    assert completed("explain", "time").splitlines() == ["plain,on_time_delivery_rate"]


def test_no_color_and_force_color_decide_about_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(**environment: str) -> str:
        for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        terminal.out().print("[red]text[/] " + "x" * 300)
        return capsys.readouterr().out

    assert shown() == f"text {'x' * 300}\n"
    assert "\x1b[31m" in shown(FORCE_COLOR="1", TERM="xterm")
    # A pipe is never cut, also with colours, and whatever the terminal of the caller measures.
    assert "x" * 300 in shown(FORCE_COLOR="1", TERM="xterm", COLUMNS="40")
    assert "\x1b[31m" not in shown(FORCE_COLOR="1", NO_COLOR="1", TERM="xterm")


def test_counts_have_a_singular_and_a_plural() -> None:
    assert [terminal.counted(n, "row", "rows") for n in (0, 1, 2, 1200)] == ["0 rows", "1 row", "2 rows", "1,200 rows"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    home = small_publication(tmp_path)
    return Run(home, load_settings(home, {}), AS_OF)


class Ui:
    """DuckDB with or without its user interface, in the place of a connection."""

    def __init__(self, is_there: bool) -> None:
        self.is_there = is_there
        self.asked: list[str] = []

    def __enter__(self) -> Ui:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, sql: str) -> Ui:
        self.asked.append(sql)
        if sql == "load ui" and not self.is_there:
            raise duckdb.IOException('IO Error: Failed to download extension "ui"\nfor more info, visit')
        return self

    def fetchall(self) -> list[Any]:
        return [("UI server started at http://localhost:4213/",)]


def test_ui_says_where_it_is_and_ends_quietly(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ui, opened = Ui(is_there=True), []
    monkeypatch.setattr(duckdb_ui.duckdb, "connect", lambda file, read_only: opened.append((file, read_only)) or ui)

    def interrupted() -> None:
        raise KeyboardInterrupt

    duckdb_ui.open_ui(run, interrupted)
    assert opened == [(str(run.home.current.resolve()), True)]
    assert ui.asked == ["use marts", "load ui", "call start_ui()"]
    assert "http://localhost:4213/; Ctrl-C ends it" in capsys.readouterr().err


def test_ui_without_the_extension_and_a_network_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb_ui.duckdb, "connect", lambda file, read_only: Ui(is_there=False))
    line = failed(amkpi(run.home.root, "ui"), 1)
    assert 'cannot be opened: IO Error: Failed to download extension "ui"; with a network' in line


def test_ui_before_the_first_publication_is_one_line(tmp_path: Path) -> None:
    Home.at(tmp_path).make()
    assert "nothing is published" in failed(amkpi(tmp_path, "ui"), 1)
