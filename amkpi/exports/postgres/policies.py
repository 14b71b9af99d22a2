"""Row-level security in SQL, made from the rules of `amkpi.access.marts`.

Who a session is: the role that logged in, if it is a reader's; else the role that it has taken on (`set role`), if that
is a reader's; else, for a member of the role for pooled tools, the reader named by the variable `amkpi.reader`. A
reader's role never gets anything by the variable, whatever other roles it is a member of.

Policies limit the rows of the tables. Where a reader may not see every cell, the reader has no right on the table, but
on a view of the same name in another schema, which has the same condition on rows and hides those cells.
"""

from __future__ import annotations

from collections.abc import Iterator

from amkpi.access.marts import CellRule, RowRule, rule_of
from amkpi.core.catalogue import kpis
from amkpi.core.storage.sql import identifier, literal
from amkpi.exports.postgres.rights import ADDRESS, PERSON
from amkpi.exports.postgres.tables import Column, Table

# The tables and views of this module; readers see only what concerns themselves.
RIGHTS = "amkpi"
# What readers query: every mart, as far as they may see it.
READABLE = "marts_for_readers"
# Roles without a login. Readers and the logins of pooled tools are members of these.
READERS, ANALYSTS, POOLED = "amkpi_readers", "amkpi_analysts", "amkpi_pooled"
VARIABLE = "amkpi.reader"
POLICY = "readers"

TABLES = (
    f"create schema if not exists {RIGHTS}",
    f"comment on schema {RIGHTS} is 'Who may read what of the schemas marts and {READABLE}; made by each publication.'",
    f"""create table if not exists {RIGHTS}.readers (role_name text primary key, reader text not null, staff_id text,
        company boolean not null, data boolean not null, everything boolean not null)""",
    f"""create table if not exists {RIGHTS}.grants (role_name text not null, level text not null, id text not null,
        primary key (role_name, level, id))""",
    # Every role that a publication ever wanted, so that those of people who left are found.
    f"create table if not exists {RIGHTS}.roles (role_name text primary key)",
    f"""create table if not exists {RIGHTS}.state (publication_id text, as_of date, written_at timestamptz,
        layout text not null, rights text not null)""",
    f"""create table if not exists {RIGHTS}.fingerprints (table_name text not null, part text not null,
        fingerprint text not null, primary key (table_name, part))""",
)


def _is_readers_role(role: str) -> str:
    return " or ".join(f"starts_with({role}::text, {literal(prefix)})" for prefix in (PERSON, ADDRESS))


def _me() -> str:
    """The row of `readers` of this session, or none."""
    pooled = (
        f"not ({_is_readers_role('session_user')} or {_is_readers_role('current_user')})"
        f" and exists (select from pg_catalog.pg_roles where rolname = {literal(POOLED)}"
        " and pg_catalog.pg_has_role(current_user, oid, 'member'))"
    )
    return f"""
        select found.* from {RIGHTS}.readers as found
        where found.role_name = coalesce(
            (select role_name from {RIGHTS}.readers where role_name = session_user::text),
            case when not ({_is_readers_role("session_user")}) then
                (select role_name from {RIGHTS}.readers where role_name = current_user::text) end,
            case when {pooled} then
                (select role_name from {RIGHTS}.readers
                 where reader = nullif(pg_catalog.current_setting({literal(VARIABLE)}, true), '')
                 order by role_name desc limit 1) end)"""


def rights_views() -> Iterator[str]:
    """SQL for the views by which policies, and readers, ask for their own rights alone."""
    yield f"create or replace view {RIGHTS}.me with (security_barrier) as {_me()}"
    yield f"comment on view {RIGHTS}.me is 'Whom this session reads as: one row, or none.'"
    yield (
        f"create or replace view {RIGHTS}.my_grants with (security_barrier) as select level, id from {RIGHTS}.grants"
        f" where role_name = (select role_name from {RIGHTS}.me)"
    )
    yield f"comment on view {RIGHTS}.my_grants is 'Which people, teams, names and clients this session may read.'"


def _flag(name: str) -> str:
    return f"coalesce((select {name} from {RIGHTS}.me), false)"


def _granted(column: str, level: str) -> str:
    return f"coalesce({column} in (select id from {RIGHTS}.my_grants where level = {literal(level)}), false)"


def condition(table: Table) -> str:
    """The condition on the rows of a mart that the session may see."""
    everything, company = _flag("everything"), _flag("company")
    by_scope = (
        f"case scope when 'own' then {_granted('staff_id', 'person')} when 'team' then {_granted('staff_id', 'team')}"
        f" when 'company' then staff_id is null and {company} else false end"
    )
    conditions: dict[RowRule, str] = {
        "everyone": f"exists (select from {RIGHTS}.me)",
        "member": f"{everything} or {by_scope}",
        "record": f"{everything} or {_granted('staff_id', 'person')} or ({company}{_not_private(table)})",
        "client": f"{everything} or {company} or {_granted('client_id', 'client')}",
        "whole_client": f"{everything} or {company} or {_granted('client_id', 'whole_client')}",
        "person": f"{everything} or {_granted('staff_id', 'name')}",
        "data": f"{everything} or {_flag('data')}",
        "analyst": everything,
    }
    return conditions[rule_of(table.name).rows]


def _not_private(table: Table) -> str:
    """The records of a private KPI are what one person's value is made of."""
    if not table.has("kpi"):
        return ""
    return f" and kpi not in ({', '.join(literal(kpi.name) for kpi in kpis() if kpi.private)})"


def is_masked(table: Table) -> bool:
    """Whether some cells of a mart are hidden from readers of its rows: they have no right on the table itself."""
    return bool(rule_of(table.name).cells) or rule_of(table.name).rows == "analyst"


def security(table: Table) -> Iterator[str]:
    """SQL for the policy on a table, its view, and the rights on both; what exists is replaced."""
    view = f"{READABLE}.{identifier(table.name)}"
    yield f"alter table {table.full_name} enable row level security"
    yield f"drop policy if exists {POLICY} on {table.full_name}"
    yield f"create policy {POLICY} on {table.full_name} for select using ({condition(table)})"
    if rule_of(table.name).cells:
        columns = ", ".join(_cell(table, column) for column in table.columns)
        # It reads the table with its owner's rights, to whom the policy does not apply: so it has the condition itself.
        query = f"select {columns} from {table.full_name} where {condition(table)}"
        yield f"create or replace view {view} with (security_barrier) as {query}"
    elif rule_of(table.name).rows != "analyst":
        yield f"create or replace view {view} with (security_invoker) as select * from {table.full_name}"


def _cell(table: Table, column: Column) -> str:
    name = identifier(column.name)
    rule: CellRule | None = rule_of(table.name).cells.get(column.name)
    if rule is None:
        return name
    if rule == "named" and column.type == "text[]":
        named = (
            f"(select array_agg(each.id order by each.place) from unnest({name}) with ordinality as each (id, place)"
            f" where {_granted('each.id', 'name')})"
        )
        return f"case when {_flag('everything')} then {name} else {named} end as {name}"
    condition = {
        "named": _granted(name, "name"),
        "readable": _granted("staff_id", "person"),
        "analyst": "false",
    }[rule]
    return f"case when {_flag('everything')} or {condition} then {name} end as {name}"


def grants(tables: list[Table]) -> Iterator[str]:
    """SQL for the rights of the three roles. The roles exist."""
    everybody = f"{READERS}, {ANALYSTS}"
    yield f"grant usage on schema marts, {READABLE}, {RIGHTS} to {everybody}"
    yield f"grant select on {RIGHTS}.me, {RIGHTS}.my_grants to {everybody}"
    for table in tables:
        yield f"revoke all on {table.full_name} from public, {READERS}"
        yield f"grant select on {table.full_name} to {ANALYSTS}"
        if not is_masked(table):
            yield f"grant select on {table.full_name} to {READERS}"
        if rule_of(table.name).rows != "analyst":
            yield f"grant select on {READABLE}.{identifier(table.name)} to {everybody}"
