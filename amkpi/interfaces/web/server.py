"""`amkpi serve`: one process with one event loop; pages are made in its threads."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from amkpi.core import terminal
from amkpi.core.errors import AmkpiError
from amkpi.core.run import Run
from amkpi.core.settings import Settings
from amkpi.interfaces.web.application import Application
from amkpi.interfaces.web.current_site import Site
from amkpi.scorecards.mail.smtp import Server

# Connections at once; more get 503. A browser opens six.
MOST_CONNECTIONS = 600


def serve(
    run: Run, host: str, port: int, open_site: Callable[[Path, Settings], Site], server: Callable[[], Server]
) -> None:
    """Serve the pages until the process is asked to end. open_site, server: as of `Application`.

    Raises AmkpiError where a setting is missing or wrong, or where nobody can listen on the address.
    """
    check(run)
    application = Application(run, open_site, server)
    with listening(host, port) as place:
        where = f"http://{host}:{place.getsockname()[1]}"
        terminal.report(f"the pages are on {where}, for readers on {run.settings.pages.url}")
        uvicorn.Server(config(run, application, host, port)).run(sockets=[place])


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there. Uvicorn would end the process itself, with the exit code of a blocked audit.

    Raises AmkpiError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise AmkpiError(f"cannot listen on {host}:{port}: {error.strerror or error}; see --host and --port") from error


def check(run: Run) -> None:
    """Raise AmkpiError where the settings would make pages that nobody can use, or that are not safe."""
    pages = run.settings.pages
    if not pages.url:
        raise AmkpiError("setting pages_url: give the address of the pages as readers type it: https://kpi.agency.vn")
    if pages.oidc_issuer and not (pages.oidc_client_id and pages.oidc_client_secret_file):
        raise AmkpiError("setting pages_oidc_issuer needs pages_oidc_client_id and pages_oidc_client_secret_file too")
    for proxy in pages.trusted_proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise AmkpiError(
                f"setting pages_trusted_proxies: {proxy!r} is no address or network: write 172.18.0.0/16"
            ) from error


def config(run: Run, application: Application, host: str, port: int) -> uvicorn.Config:
    """How uvicorn runs. Its own access log is off: ours has who opened a page, and no query."""
    proxies = run.settings.pages.trusted_proxies
    return uvicorn.Config(
        application.asgi,
        host=host,
        port=port,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        access_log=False,
        server_header=False,
        log_level="warning",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=10,
    )
