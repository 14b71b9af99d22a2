"""What tools show of the database to a reader and an analyst, by the statements that they send; and the page's own."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from amkpi.access.marts import rule_of
from amkpi.core.language.mart_texts import comments, marts
from amkpi.core.publication_id import current_file
from amkpi.exports.postgres.policies import is_masked
from amkpi.exports.postgres.rights import PERSON
from amkpi.exports.postgres.tables import Table, keys
from amkpi.exports.postgres.write import write
from tests.exports.postgres import catalog_queries as sent
from tests.exports.postgres.conftest import NOW, Database, new_database
from tests.exports.postgres.server import Server, programs
from tests.paths import ROOT

pytestmark = pytest.mark.slow

READER, ANALYST = f"{PERSON}A05", f"{PERSON}CEO"
# What a reader may query in each schema.
VIEWS = {name for name in marts() if rule_of(name).rows != "analyst"}
PLAIN = {name for name in marts() if not is_masked(Table(name, (), None))}
VALUES_KEY = ["kpi", "scope", "staff_id", "period_grain", "period_start"]


@pytest.fixture(scope="module")
def agency(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with new_database(server, tmp_path_factory.mktemp("tools")) as database:
        database.set_up(20, pages_analysts=("CEO",))
        database.let_in(READER, ANALYST)
        yield database


def ask(agency: Database, sql: str, user: str = READER, table: str = "", schema: str = "marts") -> list[dict[str, Any]]:
    """The rows of what a tool sends, by the names of its columns."""
    with agency.server.open(agency.name, user) as connection, connection.cursor() as cursor:
        cursor.execute(sql, {"schema": schema, "table": table})
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def psql(server: Server, database: str, script: str, user: str = READER) -> str:
    """What psql prints for a script; an error ends the test."""
    bin_ = programs()
    assert bin_
    command = [str(bin_ / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", server.url(database, user)]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_psql_lists_and_describes_what_a_reader_has(agency: Database) -> None:
    def show(script: str) -> str:
        return psql(agency.server, agency.name, f"\\pset format unaligned\n{script}\n")

    listed = {line.split("|")[1]: line for line in show("\\dv+").splitlines() if line.startswith("marts_for_readers|")}
    assert listed.keys() == VIEWS, "the views are on the search path"
    assert str(comments()["kpi_values", None]).splitlines()[0] in listed["kpi_values"]
    tables = re.findall(r"^marts\|(\w+)\|table", show("\\dt+ marts.*"), re.M)
    assert set(tables) == marts().keys()
    described = show("\\d+ marts.kpi_values")
    assert '"kpi_values_key" UNIQUE CONSTRAINT' in described
    assert 'POLICY "readers" FOR SELECT' in described
    assert str(comments()["kpi_values", "value"]).splitlines()[0] in described
    assert '"publication_key" PRIMARY KEY' in show("\\d marts.publication")
    assert "scorecards" in show("\\d scorecards")


def test_sqlalchemy_reflects_tables_views_columns_comments_and_keys(agency: Database) -> None:
    import sqlalchemy
    from sqlalchemy.engine.reflection import ObjectKind

    engine = sqlalchemy.create_engine("postgresql+psycopg2://", creator=lambda: agency.server.open(agency.name, READER))
    inspector = sqlalchemy.inspect(engine)
    assert inspector.default_schema_name == "marts_for_readers"
    assert set(inspector.get_view_names()) == VIEWS
    assert set(inspector.get_table_names("marts")) == marts().keys()
    for schema, names in (("marts", marts().keys()), ("marts_for_readers", VIEWS)):
        found = inspector.get_multi_columns(schema=schema, kind=ObjectKind.ANY)
        assert {name for _, name in found} == set(names)
        for (_, name), columns in found.items():
            wanted = [(each.name, comments().get((name, each.name))) for each in marts()[name].columns]
            assert [(each["name"], each["comment"]) for each in columns] == wanted, name
            assert not [each["name"] for each in columns if isinstance(each["type"], sqlalchemy.types.NullType)]
    assert inspector.get_table_comment("kpi_values", "marts")["text"] == comments()["kpi_values", None]
    for name, key in keys().items():
        primary = inspector.get_pk_constraint(name, "marts")["constrained_columns"]
        unique = [each["column_names"] for each in inspector.get_unique_constraints(name, "marts")]
        assert (primary, unique) == (([*key.columns], []) if key.is_primary else ([], [[*key.columns]])), name
    table = sqlalchemy.Table("kpi_values", sqlalchemy.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        counted = connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(table)).scalar()
    assert counted == agency.rows("select count(*) from kpi_values", user=READER)[0][0]
    engine.dispose()


def test_metabase_syncs_what_its_login_may_read_with_descriptions(agency: Database) -> None:
    for user, schema, expected in (
        (READER, "marts_for_readers", VIEWS), (READER, "marts", PLAIN), (ANALYST, "marts", marts().keys()),
    ):  # fmt: skip
        rights = {(each["schema"], each["table"]): each for each in ask(agency, sent.METABASE_PRIVILEGES, user)}
        assert not any(each["delete"] for each in rights.values())
        tables = ask(agency, sent.METABASE_TABLES, user, schema=schema)
        synced = {each["name"]: each for each in tables if rights[schema, each["name"]]["select"]}
        assert synced.keys() == set(expected)
        assert all(each["description"] == comments()[name, None] for name, each in synced.items())
        fields = ask(agency, sent.METABASE_FIELDS, user, schema=schema)
        commented = {(each["table-name"], each["name"]): each["field-comment"] for each in fields}
        assert commented == {(name, each.name): comments().get((name, each.name))
                             for name in expected for each in marts()[name].columns}  # fmt: skip
        assert not any(each["pk?"] for each in fields), "the page says that Metabase shows no keys"
    # Not because there are none: who may write sees them.
    owner = ask(agency, sent.METABASE_FIELDS, "publisher")
    primary = {(name, column) for name, key in keys().items() if key.is_primary for column in key.columns}
    assert {(each["table-name"], each["name"]) for each in owner if each["pk?"]} == primary


def test_jdbc_and_odbc_find_the_primary_keys(agency: Database) -> None:
    primary = {name: [*key.columns] for name, key in keys().items() if key.is_primary}
    found: dict[str, list[str]] = {}
    for row in ask(agency, sent.PGJDBC_KEYS):
        found.setdefault(row["table_name"], []).append(row["column_name"])
    assert found == primary
    for name, columns in primary.items():
        assert [row["attname"] for row in ask(agency, sent.PSQLODBC_KEY, table=name)] == columns


def test_the_navigator_of_power_bi_shows_what_its_login_may_read(agency: Database) -> None:
    for user, expected in (
        (READER, {("marts_for_readers", name) for name in VIEWS} | {("marts", name) for name in PLAIN}),
        (ANALYST, {("marts", name) for name in marts()} | {("marts_for_readers", name) for name in VIEWS}),
    ):
        listed = {(each["table_schema"], each["table_name"]) for each in ask(agency, sent.POWER_BI_TABLES, user)}
        assert listed - {("amkpi", "me"), ("amkpi", "my_grants")} == expected
    columns = ask(agency, sent.POWER_BI_COLUMNS, table="kpi_values", schema="marts_for_readers")
    assert [each["column_name"] for each in columns] == [each.name for each in marts()["kpi_values"].columns]
    assert {each["data_type"] for each in columns} <= {
        "text", "date", "boolean", "integer", "bigint", "double precision", "numeric", "timestamp with time zone"
    }  # fmt: skip
    for user, expected_keys in ((READER, []), ("publisher", list(keys()["kpi_values"].columns))):
        found = ask(agency, sent.POWER_BI_KEYS, user, table="kpi_values")
        assert [each["column_name"] for each in found] == expected_keys
        assert ask(agency, sent.POWER_BI_FOREIGN_KEYS, user, table="dim_staff") == []


def test_the_statements_of_the_page_set_up_a_database_and_let_readers_in(agency: Database) -> None:
    server, file = agency.server, current_file(agency.home)
    page = (ROOT / "docs" / "operations" / "postgres.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sql\n(.*?)```", page, re.S)
    set_up, roles, *others = [re.sub(r"^\\password.*\n", "", block, flags=re.M) for block in blocks]
    person, pooled, impersonated = (each.replace("NV007", "A05").replace("NV012", "CEO") for each in others)
    assert file is not None
    psql(server, "postgres", set_up, "postgres")
    try:
        # Another publisher has made the roles of this server: an administrator runs what is left.
        for _ in range(2):
            write(server.url("kpi", "amkpi_publisher"), file, agency.settings, NOW)
            psql(server, "kpi", roles, "postgres")
        assert psql(server, "kpi", f"\\t\n{roles}", "postgres").strip() == ""
        psql(server, "kpi", person, "postgres")
        count = "\\t\n\\a\nselect reader, (select count(*) from marts_for_readers.kpi_values) from amkpi.me;\n"
        mine = psql(server, "kpi", count)
        assert re.fullmatch(r"A05\|[1-9]\d*\n", mine)
        for block, login in ((pooled, "dashboards"), (impersonated, "metabase")):
            # Another file of tests may have left a role of this name on the server.
            server.rows("postgres", f"drop role if exists {login}")
            administrator, _, tool = block.partition("-- what the tool then sends")
            psql(server, "kpi", administrator, "postgres")
            assert psql(server, "kpi", tool.partition("\n")[2] + count, login) == mine
    finally:
        server.rows("postgres", "drop database if exists kpi with (force)")
        for role in ("dashboards", "metabase", "amkpi_publisher"):
            server.rows("postgres", f"drop role if exists {role}")
