"""The command line `amkpi`: each command is a step of the pipeline, the same function as a DAG task."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import click

from amkpi import __version__
from amkpi.core.errors import AmkpiError
from amkpi.core.storage.permissions import refusal
from amkpi.interfaces.cli import streams
from amkpi.interfaces.cli.commands import (
    assist,
    closing,
    forget,
    group,
    inspection,
    mail,
    operation,
    pages,
    run,
    sample,
    serve,
    sources,
)
from amkpi.interfaces.cli.options import agency_option, as_of_option, examples, home_option, landing_option


class _Commands(click.Group):
    """A group that lists its commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "amkpi sample demo/landing --scale 0.2",
        "amkpi run --home demo",
        "amkpi explain on_time 2026-Q3 --home demo",
        'amkpi query "from scorecards limit 5" --home demo',
    )
    + """
\b
Environment:
  AMKPI_HOME, AMKPI_LANDING, AMKPI_AS_OF  the options of the same name
  AMKPI_AGENCIES                          agencies.toml, for --agency, agencies and group
  AMKPI_...                               any setting: docs/settings.md
  NO_COLOR, FORCE_COLOR                   no colours; colours in a file or pipe too
  PYTHONIOENCODING                        the encoding of the output
""",
)
@click.version_option(__version__, prog_name="amkpi", message="%(prog)s %(version)s")
@home_option
@agency_option
@landing_option
@as_of_option
@click.pass_context
def app(context: click.Context, home: Path | None, agency: str | None, landing: Path | None, as_of: str | None) -> None:
    """The KPIs of an agency's account people, from extracts to published marts.

    --home, --agency, --landing and --as-of may stand before or after the command; after it they win.
    """
    options = {"home": home, "agency": agency, "landing": landing, "as_of": as_of}
    given = {name: value for name, value in options.items() if value is not None}
    _check_taken(app.commands[context.invoked_subcommand or ""], given)
    context.default_map = _defaults(app, given)


def _check_taken(command: click.Command, given: Collection[str]) -> None:
    """Raise UsageError for an option before the command that it would ignore. A group takes what one of its has."""
    commands = command.commands.values() if isinstance(command, click.Group) else [command]
    taken = {parameter.name for each in commands for parameter in each.params}
    for name in given:
        if name not in taken:
            hint = ": use --agencies FILE" if command is group.group and name != "as_of" else ""
            raise click.UsageError(f"--{name.replace('_', '-')} does not apply to {command.name}{hint}")


def _defaults(group: click.Group, values: dict[str, Any]) -> dict[str, Any]:
    """click's map of defaults: these values for every command of the group and of its groups."""
    return {
        name: _defaults(command, values) if isinstance(command, click.Group) else values
        for name, command in group.commands.items()
    }


for command in (
    *(run.run, run.load, run.build, run.audit, run.publish),
    *(inspection.status, inspection.agencies, inspection.query, inspection.explain, inspection.quarantine),
    *(mail.scorecards, mail.addresses, mail.alerts, mail.alarms),
    *(pages.pages, serve.serve, assist.ui, assist.mcp),
    group.group,
    *(closing.close, closing.reopen, forget.forget),
    *(operation.replay, operation.rebuild, operation.backup, operation.restore),
    *(sample.sample, sources.sources, assist.completion),
):
    app.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code.

    arguments: what follows `amkpi`; those of the process when None. Codes: 0 done; 1 an error of input or settings;
    2 wrong usage; 3 the audit blocked the publication. An error that a person can fix is one line on standard error.
    """
    with streams.guarded():
        return _ended(arguments)


def _ended(arguments: Sequence[str] | None) -> int:
    try:
        app.main(args=arguments, prog_name="amkpi")
    except SystemExit as end:  # click ends every command in this way
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except AmkpiError as error:
        return _complain(error, error.exit_code)
    except OSError as error:
        return _complain(refusal(error) or error, 1)
    except Exception as error:
        duckdb = sys.modules.get("duckdb")  # not imported here: it is heavy, and some commands do without
        if duckdb is None or not isinstance(error, duckdb.Error):
            raise
        return _complain(refusal(error) or error, 1)
    return 0


def _complain(error: Exception | str, code: int) -> int:
    from amkpi.core import terminal

    terminal.complain(" ".join(str(error).split()))
    return code


if __name__ == "__main__":
    sys.exit(main())
