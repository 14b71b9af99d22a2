"""The command that writes a reader's pages as static files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from amkpi.core.errors import AmkpiError
from amkpi.interfaces.cli.options import FOLDER, examples, with_run

if TYPE_CHECKING:
    from amkpi.core.run import Run


@click.command(
    epilog=examples("amkpi pages ./pages-of-lan --for NV003", "amkpi pages ./pages-of-lan --for NV003 --months 6")
)
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--for", "staff_id", metavar="STAFF_ID", required=True, help="The reader.")
@click.option("--months", type=click.IntRange(1, 120), help="How many months.  [default: the setting static_months]")
@with_run
def pages(run: Run, folder: Path, staff_id: str, months: int | None) -> None:
    """Write the pages of one reader as static files.

    They hold what this person may see, and open from a share: give the folder to nobody else.
    """
    from amkpi.access.reader import reader_of
    from amkpi.core.language.periods import Period
    from amkpi.core.publication_id import current_file
    from amkpi.core.terminal import counted
    from amkpi.interfaces.cli import console
    from amkpi.pages.export import newest, write_pages
    from amkpi.pages.site import open_site
    from amkpi.publishing.publications import current_as_of

    file, as_of = current_file(run.home), current_as_of(run.home)
    if file is None or as_of is None:
        raise AmkpiError(f"nothing is published in {run.home.published} yet: run `amkpi run`")
    kept = newest(Period.holding("month", as_of), months or run.settings.pages.static_months)
    with console.step("pages") as (progress, result):
        site = open_site(file, run.settings, kept)
        reader = reader_of(site.names, staff_id, run.settings)
        if reader is None:
            raise AmkpiError(f"--for {staff_id}: no active person has this staff_id")
        export = write_pages(site, reader, folder, progress)
        result(f"{counted(export.files, 'file', 'files')}, open {export.front}")
