"""The options that most commands share, and the run that they describe.

`amkpi --help` imports every module of commands, and has to be quick. So nothing in this package imports more at the top
than click, the standard library and light modules of the core. tests/interfaces/cli/test_start.py checks that. click is
used without Typer, which imports Pydantic for every command: 0.5 s of CPU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

FOLDER = click.Path(path_type=Path)

home_option = click.option("--home", type=FOLDER, metavar="DIR", help="The agency's folder.  [env: AMKPI_HOME]")
landing_option = click.option(
    "--landing", type=FOLDER, metavar="DIR", help="Where extracts arrive.  [env: AMKPI_LANDING; default: HOME/landing]"
)
agency_option = click.option(
    "--agency", metavar="CODE", help="The agency of agencies.toml, instead of --home.  [needs AMKPI_AGENCIES]"
)
as_of_option = click.option("--as-of", metavar="YYYY-MM-DD", help="The run's date.  [env: AMKPI_AS_OF; default: today]")


def examples(*lines: str) -> str:
    """The epilog of a command's help: examples, one on a line."""
    return "\b\nExamples:\n" + "".join(f"  {line}\n" for line in lines)


historical_option = click.option(
    "--historical",
    "--beside",
    "historical",
    is_flag=True,
    help="Publish a file of its own; current.duckdb stays where it is.  [default for a date before that of readers]",
)


current_option = click.option(
    "--current",
    is_flag=True,
    help="Switch readers to it, though its date is before the one that they see.",
)


# The grains are those of amkpi.core.language.periods, which is heavy to import.
grain_option = click.option(
    "--grain",
    type=click.Choice(("month", "quarter", "year", "trailing_12m")),
    default="month",
    show_default=True,
    help="The length of the period.",
)


# How `amkpi query` and `amkpi group query` give their rows.
QUERY_FORMATS = click.Choice(("table", "markdown", "csv", "json", "xlsx", "parquet"))


def query_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes SQL, and where and how to give its rows: the arguments sql, form and output."""
    for option in (
        click.option(
            "--output", type=FOLDER, metavar="FILE", help="The file to write. xlsx and parquet need it on a terminal."
        ),
        click.option(
            "--format",
            "form",
            type=QUERY_FORMATS,
            help="How to give the rows.  [default: by the ending of --output; else table]",
        ),
        click.argument("sql", metavar="SQL"),
    ):
        command = option(command)
    return command


def with_run(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes a Run as its first argument: --home or --agency, --landing and --as-of say which."""

    @home_option
    @agency_option
    @landing_option
    @as_of_option
    @functools.wraps(command)
    def prepared(
        *, home: Path | None, agency: str | None, landing: Path | None, as_of: str | None, **others: Any
    ) -> None:
        from amkpi.core.agencies import group_agencies
        from amkpi.core.run import Run

        if agency is None:
            run = Run.prepare(home, landing, as_of)
        elif home is None and landing is None:
            run = Run.of_agency(group_agencies().of_code(agency), as_of)
        else:
            raise click.UsageError("--agency says where HOME and LANDING are: leave out --home and --landing")
        command(run, **others)

    return prepared
