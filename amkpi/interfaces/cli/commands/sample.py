"""`amkpi sample`: the sample agency as extracts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from amkpi.core.errors import AmkpiError
from amkpi.interfaces.cli.options import FOLDER, as_of_option, examples


@click.command(
    epilog=examples(
        "amkpi sample demo/landing", "amkpi sample demo/landing --seed 7 --months 18 --scale 0.2 --as-of 2026-09-30"
    )
)
@click.argument("directory", metavar="DIR", type=FOLDER)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same bytes.")
@click.option("--months", type=click.IntRange(min=1), default=24, show_default=True, help="Months of history.")
@click.option(
    "--scale",
    type=click.FloatRange(min=0.01),
    default=1.0,
    show_default=True,
    help="1 is about 30 account people and 80 clients.",
)
@as_of_option
def sample(directory: Path, seed: int, months: int, scale: float, as_of: str | None) -> None:
    """Write a realistic sample agency as extracts.

    DIR: a folder for the extracts; it is made if it is missing.
    """
    from amkpi.core.run import sample_date
    from amkpi.core.terminal import counted
    from amkpi.sample_agency import write_sample

    try:
        last = date.fromisoformat(as_of) if as_of else sample_date()
    except ValueError as error:
        raise AmkpiError(f"--as-of {as_of!r} is not a date: write it as YYYY-MM-DD") from error
    counts = write_sample(directory, seed=seed, months=months, scale=scale, as_of=last)
    rows, extracts = counted(sum(counts.values()), "row", "rows"), counted(len(counts), "extract", "extracts")
    click.echo(f"{rows} of {extracts} in {directory}, as of {last.isoformat()}")
