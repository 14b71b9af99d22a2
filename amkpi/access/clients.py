"""Which clients a reader may see: the rule of the pages, and of the links in mails."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import duckdb

from amkpi.access.reader import Reader

# The tables with who has the credit for the records of a client.
_RECORDS = ("contract_overview", "project_overview", "proposal_overview", "survey_overview")


def read_credited(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str | None]]:
    """By client id, everybody with the credit for a record of the client. connection: to an open publication.

    A publication of version 0.1.0 has no records but the evidence of its KPIs.
    """
    credited: dict[str, set[str | None]] = {}
    present = {row[0] for row in connection.execute("show tables").fetchall()}
    for client_id, staff_id in connection.execute(
        "select distinct client_id, staff_id from kpi_evidence where period_grain = 'month' and client_id is not null"
        + "".join(f" union select client_id, staff_id from {table}" for table in _RECORDS if table in present)
    ).fetchall():
        credited.setdefault(client_id, set()).add(staff_id)
    return credited


def visible_clients(
    reader: Reader, managers: Mapping[str, str | None], credited: Mapping[str, Collection[str | None]]
) -> frozenset[str]:
    """The ids of the clients that a reader may see.

    A client is visible to who sees the company, may read a record of it, or may read the person who manages it.
    managers: who manages each client, None for nobody. credited: from `read_credited`.
    """
    return frozenset(
        client_id
        for client_id, manager_id in managers.items()
        if reader.company
        or manager_id in reader.people
        or any(reader.may_read_record(staff_id) for staff_id in credited.get(client_id, ()))
    )


def whole_clients(
    reader: Reader, visible: Collection[str], credited: Mapping[str, Collection[str | None]]
) -> frozenset[str]:
    """The ids of those visible clients of whom the reader may read every record: only their sums may be shown."""
    return frozenset(
        client_id
        for client_id in visible
        if reader.company or all(reader.may_read_record(staff_id) for staff_id in credited.get(client_id, ()))
    )
