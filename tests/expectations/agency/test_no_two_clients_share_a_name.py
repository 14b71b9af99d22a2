"""Clients with the same name: how they are named in a message, and on the page."""

from __future__ import annotations

import duckdb
import pytest

from amkpi.core.settings import Settings
from tests.expectations.audits import CONTEXT
from tests.expectations.conftest import Break

# Great Expectations is imported.
pytestmark = pytest.mark.slow


def test_a_name_is_named_once_with_few_clients_in_a_message_and_with_all_on_the_page(settings: Settings) -> None:
    from amkpi.expectations.agency.clients.no_two_clients_share_a_name import NoTwoClientsShareAName as Names

    with duckdb.connect() as connection:
        connection.execute("create table clients (client_id varchar, client_name varchar)")
        twelve = [[f"C{number:02}", "Trà Xanh"] for number in range(12)]
        others = [["D1", "Gió Lành"], ["D2", "GIO LANH"], ["E1", "Sen"], ["E2", "Sen"], ["F1", "Cúc"]]
        connection.executemany("insert into clients values (?, ?)", twelve + others)

        def named(query: str) -> list[str]:
            rows = connection.execute(f"{query.format(batch='clients')} order by what").fetchall()
            return [row[0] for row in rows]

        message, page = named(Names.failing_rows(settings, CONTEXT)), named(Names.concerned_rows(settings, CONTEXT))
    assert message == ["D1 Gió Lành = D2 GIO LANH", "Sen = E1, E2", "Trà Xanh = C00, C01, C02 and 9 more"]
    assert page[:2] == message[:2]
    assert page[2] == "Trà Xanh = " + ", ".join(client_id for client_id, _ in twelve)
    assert Names.most_rows == 1000


def test_all_names_are_on_the_page_and_three_in_the_message(broken: Break, settings: Settings) -> None:
    from amkpi.expectations.page import PageFinding
    from tests.expectations.audits import audit

    warehouse = broken(
        "create table copied as from staging.stg_clients",
        "drop view staging.stg_clients",
        "create table staging.stg_clients as from copied",
        "insert into staging.stg_clients by name select 'Z' || n as client_id, 'Tên ' || (n // 2) as client_name"
        " from range(60) as numbers (n)",
    )
    finding = audit(warehouse, settings)["no_two_clients_share_a_name"]
    assert (finding.unexpected_count, len(finding.rows)) == (30, 30)
    assert finding.observed == "30 names: Tên 0 = Z0, Z1; Tên 1 = Z2, Z3; Tên 10 = Z20, Z21; …"
    page = PageFinding.of(finding, 1)
    assert (len(page.visible) + len(page.folded), page.summary) == (30, "27 more")
