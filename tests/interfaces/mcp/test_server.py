"""The MCP server: its tools, who may ask what, and both ways to reach it."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import httpx2
import pytest

from amkpi.access.names import read_names
from amkpi.access.reader import reader_of
from amkpi.core.errors import AmkpiError
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from amkpi.interfaces.mcp.caller import Caller
from amkpi.interfaces.mcp.values import records_of
from tests.command_line import amkpi, failed, variables
from tests.conftest import AS_OF
from tests.publishing.published_files import small_publication

TOOLS = ["list_kpis", "get_value", "explain", "records", "compare", "what_changed", "query"]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = small_publication(tmp_path_factory.mktemp("mcp"))
    return Run(home, load_settings(home, {}), AS_OF)


# mcp takes 2 s to import: not where the tests are only collected.
def make_server(run: Run, asked_as: str) -> Any:
    from amkpi.interfaces.mcp import server

    return server.make_server(run, asked_as)


def client_of(server: Any) -> Any:
    """A client of a server in this process, or of one to be started."""
    from mcp import Client

    return Client(server)


def call(run: Run, asked_as: str, tool: str, **arguments: Any) -> Any:
    async def ask() -> Any:
        async with client_of(make_server(run, asked_as)) as client:
            return await client.call_tool(tool, arguments)

    return asyncio.run(ask())


def test_every_tool_reads_and_has_typed_arguments_and_a_typed_answer(empty: Run) -> None:
    async def listed() -> Any:
        async with client_of(make_server(empty, "analyst")) as client:
            return (await client.list_tools()).tools

    tools = asyncio.run(listed())
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        assert tool.annotations.read_only_hint is True
        assert tool.description
        assert tool.input_schema["additionalProperties"] is False
        assert {"publication_id", "as_of", "n", "null_reason", "asked_as"} <= set(tool.output_schema["properties"])


def test_a_publication_that_cannot_answer_is_one_short_error(empty: Run) -> None:
    answer = call(empty, "analyst", "list_kpis")
    assert answer.is_error
    assert "\n" not in answer.content[0].text
    assert "was made by test, this is" in answer.content[0].text


@pytest.mark.slow
@pytest.mark.xdist_group("analysts")
def test_only_an_active_person_or_analyst_may_ask(published_home: Path) -> None:
    run = Run.prepare(published_home, None, "2026-10-17")
    for unknown in ("NOBODY", "", "khoa.nguyen@maylam.example"):
        answer = call(run, unknown, "list_kpis")
        assert answer.is_error
        assert "no active person has this staff id; or use --as analyst" in answer.content[0].text


@pytest.mark.slow
@pytest.mark.xdist_group("analysts")
def test_whoever_asks_gets_the_rows_of_their_own_people_alone(published_home: Path) -> None:
    run = Run.prepare(published_home, None, "2026-10-17")
    with duckdb.connect(str(run.home.current.resolve()), read_only=True) as connection:
        connection.execute("use marts")
        names = read_names(connection)
        for asked_as in ("NV003", "NV004", "NV009"):
            reader = reader_of(names, asked_as, run.settings)
            assert reader is not None
            rows = call(run, asked_as, "compare", kpi="on_time", period="2026").structured_content["rows"]
            assert {row["staff_id"] for row in rows} <= reader.people
            people = call(run, asked_as, "list_kpis").structured_content["people"]
            assert {person.split(":")[0] for person in people} == reader.people
            assert {"NV005", "NV007"} & reader.people or "NV005" not in json.dumps(rows)
            if asked_as == "NV009":
                continue
            found = call(run, asked_as, "records", kpi="on_time", period="2026", person="me", scope="team", limit=200)
            assert {record["credit"] for record in found.structured_content["records"]} <= reader.people


@pytest.mark.slow
@pytest.mark.xdist_group("analysts")
def test_a_teams_records_of_people_who_have_left_it_are_counted_and_not_shown(published_home: Path) -> None:
    run = Run.prepare(published_home, None, "2026-10-17")
    with Caller(run, "NV003").asking() as asked:
        question = asked.question("on_time", "2026", "me", "team")
        everything = records_of(asked, question, None, 200, 0)
        # As if everybody but NV004 had left the team: NV003 still reads the team's value, and not their records.
        left = replace(asked, reader=replace(asked.reader, people=frozenset({"NV003", "NV004"})))
        some = records_of(left, question, None, 200, 0)
    hidden = [record for record in everything.records if record.credit not in ("NV003", "NV004")]
    assert hidden
    assert (some.not_shown, some.total) == (len(hidden), everything.total - len(hidden))
    assert {record.credit for record in some.records} <= {"NV003", "NV004"}


@pytest.mark.slow
@pytest.mark.xdist_group("analysts")
def test_the_private_kpi_shows_no_reviewer_and_no_part_of_its_mean(published_home: Path) -> None:
    run = Run.prepare(published_home, None, "2026-10-17")
    for asked_as in ("analyst", "NV003"):
        answer = call(run, asked_as, "explain", kpi="8", period="2026-Q3", person="NV005").structured_content
        assert answer["value"] is not None
        hidden = ("numerator", "denominator", "formula_with_numbers")
        assert [answer[name] for name in hidden] == [None, None, None]
        assert (answer["counted"], answer["excluded"]) == (0, [])


@pytest.mark.slow
@pytest.mark.xdist_group("analysts")
def test_a_client_is_served_over_standard_input_and_output(published_home: Path) -> None:
    from mcp import StdioServerParameters

    command = "import sys; from amkpi.interfaces.cli.main import main; sys.exit(main(sys.argv[1:]))"
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-c", command, "mcp", "--as", "NV003", "--as-of", "2026-10-17"],
        env=variables(published_home),
    )

    async def ask() -> Any:
        async with client_of(parameters) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            return tools, await client.call_tool("get_value", {"kpi": "doanh thu", "person": "me", "period": "2026"})

    tools, answer = asyncio.run(asyncio.wait_for(ask(), 60))
    assert tools == TOOLS
    assert "Phạm Diệu Uyên" in answer.structured_content["sentence"]


def test_over_http_only_the_token_opens_the_door(empty: Run) -> None:
    from amkpi.interfaces.mcp.server import guarded

    application = make_server(empty, "analyst").streamable_http_app(host="127.0.0.1")

    async def statuses() -> list[int]:
        async with application.router.lifespan_context(application):
            transport = httpx2.ASGITransport(app=guarded(application, "secret"))
            async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8091") as client:
                found = []
                for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
                    found.append((await client.post("/mcp", json={}, headers=headers)).status_code)
                right = {"Authorization": "Bearer secret"}
                found.append((await client.post("/mcp", json={}, headers=right | {"Host": "evil.example"})).status_code)
                body = {
                    "jsonrpc": "2.0", "id": 1, "method": "initialize",
                    "params": {
                        "protocolVersion": "2025-06-18", "capabilities": {},
                        "clientInfo": {"name": "t", "version": "1"},
                    },
                }  # fmt: skip
                accepted = right | {"Accept": "application/json, text/event-stream"}
                found.append((await client.post("/mcp", json=body, headers=accepted)).status_code)
                return found

    assert asyncio.run(statuses()) == [401, 401, 401, 421, 200]


def test_http_is_for_this_machine_alone(empty: Run) -> None:
    from amkpi.interfaces.mcp.server import serve_http

    with pytest.raises(AmkpiError, match=r"this server is for this machine alone: use 127\.0\.0\.1 or ::1"):
        serve_http(empty, "analyst", "0.0.0.0", 0)


def test_without_the_extra_the_command_says_how_to_install_it(empty: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("amkpi.interfaces.mcp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    assert "needs mcp: install amkpi with the extra `mcp`" in failed(
        amkpi(empty.home.root, "mcp", "--as", "analyst"), 1
    )


def test_nobody_is_asked_as_by_default(empty: Run) -> None:
    assert amkpi(empty.home.root, "mcp").code == 2
