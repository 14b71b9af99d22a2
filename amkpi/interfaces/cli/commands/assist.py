"""Commands that help with other tools: ui, completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from amkpi.interfaces.cli.options import examples, with_run

if TYPE_CHECKING:
    from amkpi.core.run import Run


@click.command(epilog=examples("amkpi ui", "amkpi ui --home demo"))
@with_run
def ui(run: Run) -> None:
    """Open the published marts in DuckDB's own user interface, in the browser.

    It needs DuckDB's extension `ui`, which DuckDB downloads once. The marts are opened read-only. Ctrl-C ends it.
    """
    from amkpi.interfaces.cli.duckdb_ui import open_ui

    open_ui(run)


@click.command(
    epilog=examples(
        "amkpi completion bash >> ~/.bashrc",
        "amkpi completion zsh >> ~/.zshrc",
        "amkpi completion fish > ~/.config/fish/completions/amkpi.fish",
    )
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which a shell completes commands, options and KPIs."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(context.find_root().command, {}, "amkpi", "_AMKPI_COMPLETE").source())
