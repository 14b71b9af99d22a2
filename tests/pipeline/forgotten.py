"""A person and a client whose names are to be erased: the files that have them, and where they are found."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from amkpi.core.erasure.register import Subject

PERSON, CLIENT = Subject("staff", "NV012"), Subject("client", "KH07")
NAME, FORMER, MAIL = "Phạm Thị Hoài", "Phạm Hoài Thương", "hoai.pham@agency.example"
# Of another person: it has the name in it.
OTHER = "Phạm Thị Hoài An"
CLIENT_NAME, TITLE, COMMENT = "Công ty Gạch Việt", "Khai trương lò nung", "Chị Hoài chậm trễ quá"
NEVER_AGAIN = (NAME, FORMER, MAIL, "hoai riêng")
STAFF = (
    "staff_id,valid_from,full_name,email,role,department,manager_id,is_active,nickname\n"
    f"NV012,2024-01-01,{FORMER},{MAIL},account_manager,account,CEO,true,hoai riêng\n"
    f"NV012,2025-01-01,{NAME},{MAIL},account_manager,account,CEO,true,hoai riêng\n"
    f"NV012,2025-02-01,{NAME},{MAIL},account_manager,account,CEO,true\n"
    f"NV013,2024-01-01,{OTHER},lan@agency.example,account_manager,account,CEO,true,an\n"
)
FILES = {
    "staff/people.csv": STAFF,
    "clients/more.json": f'[{{"client_id": "KH07", "client_name": "{CLIENT_NAME}", "owner": "{NAME}"}}]',
    "projects/more.csv": "project_id,client_id,owner_id,project_name,start_date,committed_due_date,delivered_date,"
    f"currency\nP1,KH07,NV012,{TITLE},2026-04-01,2026-05-01,2026-05-02,VND\n"
    f"P2,KH07,NV012,{CLIENT_NAME} 2,2026-04-01,2026-05-01,2026-04-30,VND\n",
    "client_surveys/more.csv": "response_id,client_id,project_id,sent_date,responded_date,score,scale_min,scale_max,"
    f"comment\nR1,KH07,P1,2026-05-10,2026-05-11,4,1,5,{COMMENT}\nR2,C000,,2026-05-10,2026-05-11,5,1,5,"
    f'"Cảm ơn {NAME}, rất tốt"\n',
    # Names its people by address, and its clients by name.
    "asana.csv": f"Name,Projects,Assignee Email,Created At,Due Date,Completed At,Task ID\nT,{CLIENT_NAME},{MAIL},"
    "2026-04-01,2026-05-01,2026-05-02,77\n",
    "staff/broken.csv": f'staff_id,full_name\nNV012,"{NAME}\n',
}
MAPPING = """
file: asana*.csv
extract: projects
columns:
  project_id: Task ID
  client_id: { column: Projects, lookup: { extract: clients, by: client_name } }
  owner_id: { column: Assignee Email, lookup: { extract: staff, by: email } }
  project_name: Name
  start_date: Created At
  committed_due_date: Due Date
  delivered_date: Completed At
  currency: { constant: VND }
"""


def found(root: Path, *texts: str) -> list[str]:
    """Where one of the texts still is: in the bytes of any file, and in the tables of every database."""
    places = []
    wanted = [text.encode(code) for text in texts for code in ("utf-8", "utf-16-le")]
    wanted += [form.encode() for text in texts for form in (json.dumps(text)[1:-1], text.replace('"', '""'))]
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.is_relative_to(root / "sources"):
            content = path.read_bytes().replace(OTHER.encode(), b"")
            if any(each in content for each in wanted):
                places.append(str(path.relative_to(root)))
            if path.suffix == ".duckdb":
                places += _in_tables(path, texts)
    return places


def tables(file: Path) -> list[str]:
    """The tables of a DuckDB file."""
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.execute("select schema_name, table_name from duckdb_tables() order by all").fetchall()
    return [f'"{schema}"."{name}"' for schema, name in rows]


def _in_tables(file: Path, texts: tuple[str, ...]) -> list[str]:
    condition = " or ".join(["contains(row, ?)"] * len(texts))
    places = []
    with duckdb.connect(str(file), read_only=True) as connection:
        for schema, table, names in connection.execute(
            "select schema_name, table_name, list(column_name) from duckdb_columns()"
            " where contains(data_type, 'VARCHAR') and not internal group by all"
        ).fetchall():
            cells = ", ".join(f'"{name}"::varchar' for name in names)
            row = f"select replace(concat_ws('|', {cells}), ?, '') as row from \"{schema}\".\"{table}\""
            if connection.execute(f"select 1 from ({row}) where {condition} limit 1", [OTHER, *texts]).fetchall():
                places.append(f"{file.name}: {schema}.{table}")
    return places
