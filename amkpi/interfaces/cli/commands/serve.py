"""The command that serves the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from amkpi.interfaces.cli.commands.mail import mail_server
from amkpi.interfaces.cli.options import examples, with_run

if TYPE_CHECKING:
    from amkpi.core.run import Run


@click.command(epilog=examples("amkpi serve", "amkpi serve --host 0.0.0.0 --port 8090"))
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", metavar="PORT", default=8090, show_default=True, type=click.IntRange(0, 65535))
@with_run
def serve(run: Run, host: str, port: int) -> None:
    """Serve the pages of the current publication to readers who sign in.

    The setting pages_url says where readers find them. docs/operations/pages.md describes the rest.
    """
    from amkpi.interfaces.web.server import serve as serve_pages
    from amkpi.pages.site import open_site

    serve_pages(run, host, port, open_site, lambda: mail_server(run))
