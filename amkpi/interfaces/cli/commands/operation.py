"""Commands for the operator: replay, rebuild, backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from amkpi.interfaces.cli.options import FOLDER, examples, with_run

if TYPE_CHECKING:
    from amkpi.core.run import Run


@click.command(epilog=examples("amkpi replay projects/2026-10.csv", "amkpi replay --mapping hubspot_companies"))
@click.argument("wanted", metavar="[FILE|SHA256]", required=False)
@click.option("--mapping", metavar="NAME", help="All files that were loaded by another text of this mapping.")
@click.option("--accept-deletions", is_flag=True, help="They may delete more than max_deleted_share.")
@with_run
def replay(run: Run, wanted: str | None, mapping: str | None, accept_deletions: bool) -> None:
    """Load known files again, as the newest deliveries.

    After a mapping was corrected: amkpi replay --mapping NAME. What only the earlier reading of the files has is
    deleted by it.

    FILE|SHA256: the file, its name in the load ledger, or the hash of its content.
    """
    from amkpi.pipeline import steps

    if (wanted is None) == (mapping is None):
        raise click.UsageError("give either a file or --mapping NAME")
    if wanted is not None:
        report = steps.replay(run, wanted, accept_deletions)
    else:
        report = steps.replay_mapping(run, str(mapping), accept_deletions)
        if report.run is None:
            click.echo(f"every file of {mapping} was loaded by the mapping as it is now")
    for delivery in report.deliveries:
        click.echo(f"{delivery.file_name} as {delivery.extract}: {delivery.summary}")


@click.command(epilog=examples("amkpi rebuild && amkpi run"))
@with_run
def rebuild(run: Run) -> None:
    """Restore a lost warehouse from archive/.

    Start `amkpi run` after it.
    """
    from amkpi.core.terminal import counted
    from amkpi.interfaces.cli import console
    from amkpi.pipeline import steps

    with console.step("rebuild") as (progress, result):
        result(f"{counted(steps.rebuild(run, progress), 'delivery', 'deliveries')} loaded again")


@click.command(epilog=examples("amkpi backup"))
@with_run
def backup(run: Run) -> None:
    """Back up what cannot be computed again.

    archive/, state/, sources/ and amkpi.toml. The pipeline may run at the same time.
    """
    from amkpi.core.terminal import counted
    from amkpi.interfaces.cli import console
    from amkpi.pipeline import steps

    with console.step("backup") as (progress, result):
        report, removed = steps.back_up(run, progress)
        files, old = counted(report.files, "file", "files"), counted(removed, "old backup", "old backups")
        size = f"{files}, {report.bytes / 1e6:,.1f} MB, {report.linked} linked to the last backup"
        result(f"{report.folder}: {size}; {old} removed")


@click.command(
    epilog=examples(
        "amkpi restore backups/20261017T020000Z --home ./new",
        "amkpi restore backups/20261017T020000Z --only scorecards.sqlite",
    )
)
@click.argument("folder", metavar="BACKUP", type=FOLDER)
@click.option("--only", metavar="FILE", help="Bring back this file of HOME/state/ alone, in a home that is in use.")
@with_run
def restore(run: Run, folder: Path, only: str | None) -> None:
    """Restore a backup into an empty home, or one damaged file of HOME/state/.

    Start `amkpi run` after it: it publishes the same marts.

    BACKUP: a folder that `amkpi backup` made.
    """
    from amkpi.core.terminal import counted
    from amkpi.interfaces.cli import console
    from amkpi.pipeline import steps

    if only is not None:
        with console.step("restore") as (_, result):
            restored, of = steps.restore_one(run, folder, only)
            before = f"; what was there before is {restored.replaced.name}" if restored.replaced else ""
            result(f"{restored.file}, {of.holds}, as of {restored.made_at:%Y-%m-%d %H:%M} UTC{before}; now: amkpi run")
        return
    with console.step("restore") as (progress, result):
        deliveries = counted(steps.restore(run, folder, progress), "delivery", "deliveries")
        result(f"{deliveries} in {run.home.root}; now: amkpi run")
