"""`amkpi sources`: check a source mapping, draft a first one, write an empty template."""

from __future__ import annotations

import os
from pathlib import Path

import click

from amkpi.core.errors import AmkpiError
from amkpi.interfaces.cli.options import FOLDER, examples, home_option


@click.group(epilog=examples("amkpi sources check export.csv", "amkpi sources draft export.csv --extract clients"))
def sources() -> None:
    """Source mappings: native exports of other tools."""


@sources.command(
    epilog=examples("amkpi sources check export.csv", "amkpi sources check export.csv --mapping my.yml --home ./agency")
)
@click.argument("file", metavar="FILE", type=FOLDER)
@click.option("--source", metavar="NAME", help="Only this mapping.")
@click.option("--mapping", metavar="YML", type=FOLDER, help="Only this mapping file, wherever it lies.")
@home_option
def check(file: Path, source: str | None, mapping: Path | None, home: Path | None) -> None:
    """Show what mappings make of a native export.

    The shipped mappings and those of HOME are used. Shown are the first values before and after, the lowest and
    highest, what they could mean besides, and what would be held back. Nothing is loaded.
    """
    from amkpi.core.home import Home
    from amkpi.interfaces.cli.mapping_check import show_check

    folder = home or os.environ.get("AMKPI_HOME")
    show_check(file, source, mapping, Home.at(Path(folder)) if folder else None)


@sources.command(epilog=examples("amkpi sources draft export.csv --extract clients > sources/crm.yml"))
@click.argument("file", metavar="FILE", type=FOLDER)
@click.option("--extract", metavar="E", required=True, help="The extract that the mapping should yield.")
def draft(file: Path, extract: str) -> None:
    """Print a first mapping for a native export.

    It is valid at once. Its guesses are made from the values of the file; CHECK marks what could be wrong.
    """
    from amkpi.interfaces.cli.mapping_check import show_draft

    show_draft(file, extract)


@sources.command(epilog=examples("amkpi sources schema > mapping.schema.json"))
def schema() -> None:
    """Print the JSON schema of a mapping, for editors."""
    from amkpi.interfaces.cli.mapping_check import show_schema

    show_schema()


@sources.command(epilog=examples("amkpi sources template clients --dir ./to-fill-in"))
@click.argument("extract", metavar="EXTRACT")
@click.option(
    "--dir", "directory", type=FOLDER, metavar="DIR", default=Path(), help="Where to write; made if it is missing."
)
def template(extract: str, directory: Path) -> None:
    """Write an empty extract to fill in by hand.

    EXTRACT: one of the eleven, such as clients. Written are EXTRACT.xlsx and EXTRACT.csv.
    """
    from amkpi.core.catalogue import kpis
    from amkpi.ingestion.contracts.extracts import EXTRACTS
    from amkpi.ingestion.templates import write_template

    if extract not in EXTRACTS:
        raise AmkpiError(f"no extract {extract}; there are: {', '.join(EXTRACTS)}")
    labels = {kpi.name: kpi.label for kpi in kpis()}
    try:
        written = write_template(EXTRACTS[extract], directory, labels)
    except FileExistsError as error:
        raise AmkpiError(f"{error.filename} is there already: move it away, or give another --dir") from error
    for file in written:
        click.echo(str(file))
