"""What comes after a closing: late, corrected, deleted and re-owned rows, and other targets, of a random agency."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date, timedelta
from random import Random

from tests.oracle.contract import EXTRACTS
from tests.oracle.tables import Table, write

# The id of a row, and who may own it.
IDS = {
    "contracts": "contract_id",
    "proposals": "proposal_id",
    "projects": "project_id",
    "client_surveys": "response_id",
    "project_costs": "cost_id",
}
OWNED = ("contracts", "proposals", "projects")


def read(files: Mapping[str, bytes], extract: str) -> Table:
    """The rows of an extract in a run of files."""
    found: Table = []
    for name, content in files.items():
        if name.split("/")[0] == extract:
            text = content.decode("utf-8-sig")
            dialect = csv.Sniffer().sniff(text.splitlines()[0], delimiters=",;\t|")
            found += csv.DictReader(io.StringIO(text), delimiter=dialect.delimiter)
    return found


def changed(files: Mapping[str, bytes], seed: int, rows: int, tag: str) -> dict[str, str]:
    """A run of files that changes about so many rows of an agency that was delivered as `files`; `tag` names it."""
    random = Random(f"{seed} {tag}")
    people = sorted({row["staff_id"] for row in read(files, "staff")})
    out: dict[str, Table] = {}
    for number in range(rows):
        extract = random.choice([*IDS, "contracts", "proposals", "client_assignments", "kpi_targets", "staff"])
        known = read_once(files, extract)
        if not known:
            continue
        row = dict(random.choice(known))
        how = random.choice(["late", "corrected", "deleted", "owner"])
        key = IDS.get(extract)
        if extract == "kpi_targets":
            row["target"] = f"{float(row['target']) * random.choice([0.5, 0.9, 1.5]):.6f}"
            row["weight"] = random.choice(["1", "2", row["weight"]])
        elif extract == "client_assignments":
            row["account_manager_id"] = random.choice(people)
        elif extract == "staff":
            row["is_active"] = random.choice(["true", "false"])
        elif how == "late" and key:
            row[key] = f"{tag}-{number}"
        elif how == "deleted":
            row["is_deleted"] = "true"
        elif how == "owner" and extract in OWNED:
            row["owner_id"] = random.choice(people)
        elif "amount" in row:
            row["amount"] = str(random.randint(1, 900) * 1000)
        for column in ("signed_date", "responded_date", "delivered_date"):
            if how == "corrected" and row.get(column):
                moved = date.fromisoformat(row[column]) + timedelta(days=random.choice([-3, 3]))
                row[column] = moved.isoformat()
        out.setdefault(extract, []).append(row)
    columns = {name: [*(c.name for c in EXTRACTS[name])] for name in out}
    return {f"{name}/{tag}.csv": write(table, columns[name]) for name, table in out.items()}


def read_once(files: Mapping[str, bytes], extract: str) -> Table:
    """As `read`, but parsed once for a run."""
    key = (id(files), extract)
    if key not in _PARSED:
        _PARSED[key] = read(files, extract)
    return _PARSED[key]


_PARSED: dict[tuple[int, str], Table] = {}
