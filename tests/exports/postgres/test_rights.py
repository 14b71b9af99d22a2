"""Nobody gets more by a session variable, another role, or an id; who leaves loses all at the next publication."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg2
import pytest

from amkpi.exports.postgres.rights import PERSON, role_name
from tests.changed_settings import changed
from tests.exports import random_marts
from tests.exports.postgres.conftest import Database
from tests.exports.postgres.server import Server
from tests.exports.random_marts import ODD_IDS

pytestmark = pytest.mark.slow

SEEN = "select reader from amkpi.me"


@pytest.fixture
def agency(database: Database) -> Database:
    database.set_up(pages_analysts=("CEO",))
    return database


def staff(agency: Database) -> list[str]:
    """The active people who are no analysts."""
    return [each for (each,) in agency.rows("select staff_id from amkpi.readers where not everything order by 1")]


def ask(connection: Any, sql: str, *values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return [row[0] for row in cursor.fetchall()] if cursor.description else []


def test_a_personal_role_never_reads_as_somebody_else(agency: Database, server: Server) -> None:
    one, other = staff(agency)[:2]
    role = role_name(PERSON, one)
    agency.let_in(role)
    # Even where an administrator has made it a member of roles that it should not be a member of.
    for (statement,) in agency.rows("select format('grant amkpi_pooled, %%I to %%I', %s, %s)", PERSON + "CEO", role):
        agency.rows(statement)
    connection = server.open(agency.name, role)
    count = ask(connection, "select count(*) from marts.kpi_values")
    for name in ("CEO", other):
        ask(connection, "select set_config('amkpi.reader', %s, false)", name)
        assert ask(connection, SEEN) == [one]
        for as_role in ("amkpi_pooled", PERSON + "CEO"):
            ask(connection, f'set role "{as_role}"')
            assert ask(connection, SEEN) == [one], as_role
            assert ask(connection, "select count(*) from marts.kpi_values") == count
        ask(connection, "reset role")
    # What the row of `me` decides cannot be asked around either.
    for table in ("readers", "grants", "state", "roles"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(connection, f"select * from amkpi.{table}")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(connection, "delete from marts.kpi_values")
    connection.close()
    agency.rows(f'revoke amkpi_pooled, "{PERSON}CEO" from "{role}"')


def test_a_function_of_a_reader_sees_no_row_that_the_policy_hides(agency: Database, server: Server) -> None:
    agency.rows("create schema workbench; grant all on schema workbench to amkpi_readers")
    role = role_name(PERSON, staff(agency)[0])
    agency.let_in(role)
    connection = server.open(agency.name, role)
    ask(connection, "create table workbench.stolen (staff_id text)")
    ask(
        connection,
        "create function workbench.peep(text) returns boolean cost 0.0001 language plpgsql as"
        " $$begin insert into workbench.stolen values ($1); return true; end$$",
    )
    for relation in ("marts.kpi_values", "marts_for_readers.kpi_values", "marts_for_readers.kpi_evidence"):
        seen = ask(connection, f"select distinct coalesce(staff_id, '-') from {relation}")
        ask(connection, f"select count(*) from {relation} where workbench.peep(coalesce(staff_id, '-'))")
        assert set(ask(connection, "select distinct staff_id from workbench.stolen")) == set(seen)
        ask(connection, "delete from workbench.stolen")
    connection.close()
    agency.rows(f'drop owned by "{role}"; grant amkpi_readers to "{role}"')


def test_a_tool_that_takes_on_the_role_of_its_user_reads_as_that_user(agency: Database, server: Server) -> None:
    one = staff(agency)[0]
    agency.rows("drop role if exists metabase")
    agency.rows("create role metabase login noinherit")
    agency.rows(f'grant "{role_name(PERSON, one)}", "{PERSON}CEO", amkpi_pooled to metabase')
    connection = server.open(agency.name, "metabase")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(connection, "select count(*) from marts.kpi_values")
    ask(connection, f'set role "{role_name(PERSON, one)}"')
    ask(connection, "set amkpi.reader = 'CEO'")
    assert ask(connection, SEEN) == [one]
    ask(connection, f'set role "{PERSON}CEO"')
    assert ask(connection, SEEN) == ["CEO"]
    assert ask(connection, "select count(*) from marts.kpi_values") == [
        agency.rows("select count(*) from marts.kpi_values")[0][0]
    ]
    connection.close()


def test_who_left_reads_nothing_more_in_an_open_session_and_cannot_log_in(agency: Database, server: Server) -> None:
    one = next(each for each in staff(agency) if agency.names.people[each].role != "group_account_director")
    role = role_name(PERSON, one)
    agency.let_in(role)
    connection = server.open(agency.name, role)
    assert ask(connection, SEEN) == [one]
    people = dict(agency.names.people)
    people[one] = replace(people[one], is_active=False)
    agency.names = replace(agency.names, people=people)
    agency.publish(20, "00000000000000bb")
    agency.write()
    # The session is as the role was when it began, but for its rights.
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(connection, SEEN)
    connection.close()
    with pytest.raises(psycopg2.OperationalError, match="not permitted to log in"):
        server.open(agency.name, role)
    assert agency.rows("select * from amkpi.grants where role_name = %s", role) == []
    agency.rows(f'grant amkpi_pooled to "{role}"; alter role "{role}" login')
    connection = server.open(agency.name, role)
    ask(connection, "set amkpi.reader = 'CEO'")
    assert ask(connection, SEEN) == [], "the role of who left gets nothing by the variable"
    connection.close()
    agency.rows(f'revoke amkpi_pooled from "{role}"')


def test_a_changed_setting_takes_effect_without_a_new_publication(agency: Database) -> None:
    assert not agency.write().is_new
    one = staff(agency)[0]
    agency.settings = changed(agency.settings, pages_analysts=(one,))
    report = agency.write()
    assert (report.is_new, report.rows, report.waiting_statements) == (True, 0, 0)
    assert agency.rows("select reader from amkpi.readers where everything") == [(one,)]
    assert not agency.rows(
        "select 1 where pg_has_role(%s, 'amkpi_analysts', 'member') or not pg_has_role(%s, 'amkpi_analysts', 'member')",
        PERSON + "CEO",
        role_name(PERSON, one),
    )


def test_a_publisher_that_may_not_make_roles_leaves_the_statements_to_an_administrator(database: Database) -> None:
    database.rows("drop role if exists modest")
    database.rows("create role modest login")
    database.rows(f"alter database {database.name} owner to modest")
    database.names = replace(database.names, people={
        f"new{number}": replace(person, staff_id=f"new{number}", is_active=True, valid_from=random_marts.AS_OF)
        for number, person in enumerate(database.names.people.values())
    })  # fmt: skip
    database.publish(1)
    waiting = database.write(user="modest").waiting_statements
    assert waiting > 0
    assert database.write(user="modest").waiting_statements == waiting
    while statements := database.rows("select statement from amkpi.role_statements order by step, statement"):
        for (statement,) in statements:
            database.rows(statement)
    assert database.write(user="modest").waiting_statements == 0
    database.let_in("amkpi_reader_new0")
    assert database.rows(SEEN, user="amkpi_reader_new0") == [("new0",)]
    database.rows("reassign owned by modest to postgres")


def test_every_id_has_a_role_of_its_own_that_postgresql_does_not_cut() -> None:
    names = {role_name(PERSON, each) for each in ODD_IDS}
    assert len(names) == len(ODD_IDS)
    assert max(len(name.encode()) for name in names) <= 63
