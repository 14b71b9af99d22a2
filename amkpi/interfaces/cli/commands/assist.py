"""Commands that help with other tools: ui, mcp, completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from amkpi.core.errors import AmkpiError
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
        "amkpi mcp --as NV003 --home /srv/agency", "amkpi mcp --as analyst", "amkpi mcp --as NV003 --http --port 8091"
    )
)
@click.option(
    "--as",
    "asked_as",
    metavar="STAFF_ID",
    required=True,
    help="Whose rights limit every answer: a staff id, or analyst for everything.",
)
@click.option("--http", is_flag=True, help="Streamable HTTP on this machine instead of stdio.  [env: AMKPI_MCP_TOKEN]")
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="127.0.0.1 or ::1.")
@click.option("--port", metavar="PORT", default=8091, show_default=True, type=click.IntRange(0, 65535))
@with_run
def mcp(run: Run, asked_as: str, http: bool, host: str, port: int) -> None:
    """Give assistants the published numbers by the Model Context Protocol.

    Tools: list_kpis, get_value, explain, records, compare, what_changed, query. docs/mcp.md says how to connect.
    """
    try:
        from amkpi.interfaces.mcp.server import serve_http, serve_stdio
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise AmkpiError("the MCP server needs mcp: install amkpi with the extra `mcp`") from error
    if http:
        serve_http(run, asked_as, host, port)
    else:
        serve_stdio(run, asked_as)


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
