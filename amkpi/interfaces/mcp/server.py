"""`amkpi mcp`: the governed numbers for assistants, over stdio or over HTTP on this machine alone."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import duckdb
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import Field
from starlette.responses import PlainTextResponse

from amkpi import __version__
from amkpi.core import terminal
from amkpi.core.errors import AmkpiError
from amkpi.core.run import Run
from amkpi.explain.evidence import Scope
from amkpi.interfaces.mcp import lists, values
from amkpi.interfaces.mcp.answers import Catalogue, Changes, Comparison, Explained, Records, Rows, Value
from amkpi.interfaces.mcp.caller import Asked, Caller
from amkpi.interfaces.web.server import listening

LOOPBACK = ("127.0.0.1", "::1")
TOKEN = "AMKPI_MCP_TOKEN"
MOST_RECORDS = 200
_INSTRUCTIONS = """\
The KPIs of an agency's account people, as they are published. Begin with list_kpis. Never compute a KPI yourself:
values of teams, years and the company are published, and an average of values is wrong. Give publication_id and as_of
with a figure. A value that is null is not 0: null_reason says why. Ratios are 0 to 1. A provisional value still
changes. Reviews of internal_collaboration_score are never listed. Every answer has only what the caller may read."""

KpiName = Annotated[str, Field(description="number, name, or a part of the name or of its Vietnamese or English label")]
PeriodName = Annotated[
    str | None,
    Field(
        description="2026-09, 2026-Q3, 2026, or t12m:2026-09 for 12 months; without it the newest month that is over"
    ),
]
Person = Annotated[
    str | None, Field(description="staff id, full name or a whole word of it, or me; without it the company")
]
ScopeName = Annotated[
    Scope | None, Field(description="own, team (with everyone below) or company; own for a person, else company")
]
LanguageName = Annotated[Literal["vi", "en"], Field(description="of sentences and texts")]
_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)


@contextmanager
def _asking(caller: Caller) -> Iterator[Asked]:
    """The open publication; what a person can fix is an error that the assistant reads."""
    try:
        with caller.asking() as asked:
            yield asked
    except AmkpiError as error:
        raise ToolError(" ".join(str(error).split())) from error
    except duckdb.Error as error:
        raise ToolError(f"the publication cannot be read: {str(error).splitlines()[0]}") from error


def make_server(run: Run, asked_as: str) -> MCPServer:
    """The server with its tools. asked_as: a staff id, or `analyst`, whose rights limit every answer."""
    caller = Caller(run, asked_as)

    def list_kpis() -> Catalogue:
        """The KPIs with question, formula, unit and null reasons; the periods; whom the caller may read."""
        with _asking(caller) as asked:
            return lists.catalogue(asked)

    def get_value(
        kpi: KpiName, period: PeriodName = None, person: Person = None, scope: ScopeName = None,
        language: LanguageName = "vi",
    ) -> Value:  # fmt: skip
        """One published value of a person, a team or the company, with target, change and sample size."""
        with _asking(caller) as asked:
            return values.value_of(asked, asked.question(kpi, period, person, scope), language)

    def explain(
        kpi: KpiName, period: PeriodName = None, person: Person = None, scope: ScopeName = None,
        language: LanguageName = "vi",
    ) -> Explained:  # fmt: skip
        """How a value came about: its formula with its numbers, what was left out and why, the target's rule."""
        with _asking(caller) as asked:
            return values.explain(asked, asked.question(kpi, period, person, scope), language)

    def records(
        kpi: KpiName,
        period: PeriodName = None,
        person: Person = None,
        scope: ScopeName = None,
        state: Annotated[str | None, Field(description="only in this state, such as delivered_late or lost")] = None,
        limit: Annotated[int, Field(ge=1, le=MOST_RECORDS)] = 50,
        offset: Annotated[int, Field(ge=0)] = 0,
    ) -> Records:
        """The records behind a value: projects, contracts, proposals, surveys or clients, with state and dates."""
        with _asking(caller) as asked:
            return values.records_of(asked, asked.question(kpi, period, person, scope), state, limit, offset)

    def compare(
        kpi: KpiName,
        period: PeriodName = None,
        people: Annotated[list[str], Field(description="whom; empty for everybody whom the caller may read")] = [],  # noqa: B006
        scope: ScopeName = None,
        other_period: Annotated[
            str | None, Field(description="compare with this period: who improved most first")
        ] = None,
    ) -> Comparison:
        """A KPI of several people or teams side by side, best first, or of two periods."""
        with _asking(caller) as asked:
            return lists.compare(asked, kpi, period, people, scope, other_period)

    def what_changed(period: PeriodName = None, person: Person = None, scope: ScopeName = None) -> Changes:
        """Every KPI against the period before, the score, and figures of mails or closed periods that differ now."""
        with _asking(caller) as asked:
            return lists.what_changed(asked, period, person, scope)

    def query(
        sql: Annotated[
            str, Field(description="one DuckDB statement that reads; describe kpi_values shows its columns")
        ],
        limit: Annotated[int, Field(ge=1, le=lists.MOST_ROWS)] = 100,
    ) -> Rows:
        """SQL on the published marts, read-only, for analysts alone. Try the other tools first."""
        with _asking(caller) as asked:
            return lists.query(asked, sql, limit)

    tools = [_strict(tool) for tool in (list_kpis, get_value, explain, records, compare, what_changed, query)]
    return MCPServer("amkpi", version=__version__, instructions=_INSTRUCTIONS, log_level="WARNING", tools=tools)


def _strict(function: Callable[..., Any]) -> Tool:
    """A tool that refuses an argument that it does not have: a misspelt `person` would give the company's value."""
    tool = Tool.from_function(function, annotations=_READS, structured_output=True)
    arguments = tool.fn_metadata.arg_model
    arguments.model_config["extra"] = "forbid"
    arguments.model_rebuild(force=True)
    tool.parameters = arguments.model_json_schema(by_alias=True)
    return tool


def serve_stdio(run: Run, asked_as: str) -> None:
    """Serve one client over standard input and output until it closes them."""
    make_server(run, asked_as).run("stdio")


def serve_http(run: Run, asked_as: str, host: str, port: int) -> None:
    """Serve over streamable HTTP on this machine, to who sends the token. Raises AmkpiError.

    Everybody on the machine reaches a loopback address, so the token is what keeps others out: AMKPI_MCP_TOKEN, or a
    new one that is printed.
    """
    if host not in LOOPBACK:
        raise AmkpiError(f"--host {host}: this server is for this machine alone: use {' or '.join(LOOPBACK)}")
    token = os.environ.get(TOKEN, "")
    if not token:
        token = secrets.token_urlsafe(32)
        terminal.report(f"send the header Authorization: Bearer {token} (or set {TOKEN})")
    application = guarded(make_server(run, asked_as).streamable_http_app(host=host), token)
    with listening(host, port) as place:
        shown = f"[{host}]" if ":" in host else host
        terminal.report(f"MCP is on http://{shown}:{place.getsockname()[1]}/mcp, with the rights of {asked_as}")
        config = uvicorn.Config(application, log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[place])


def guarded(application: Any, token: str) -> Callable[..., Awaitable[None]]:
    """The application, for requests with this token alone."""
    wanted = f"Bearer {token}".encode()

    async def checked(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, wanted):
                await PlainTextResponse("the token is missing or wrong\n", 401)(scope, receive, send)
                return
        await application(scope, receive, send)

    return checked
