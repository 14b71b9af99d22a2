"""The roles of PostgreSQL: three without a login, and one for each reader. An administrator gives the passwords.

One view says which statements are missing. A publication runs them where its own role may; else an administrator does:
`select statement from amkpi.role_statements \\gexec` in psql.
"""

from __future__ import annotations

from amkpi.core.storage.sql import literal
from amkpi.exports.postgres.policies import ANALYSTS, POOLED, READABLE, READERS, RIGHTS
from amkpi.exports.postgres.tables import MARTS

GROUPS = (READERS, ANALYSTS, POOLED)
STATEMENTS = f"select statement from {RIGHTS}.role_statements order by step, statement"


def statements_view() -> str:
    """SQL for the view of the statements that bring the roles in line with the readers of the publication.

    A role that is no reader's any more loses its memberships and its login. It is not dropped: it may own something.
    """
    is_there = "exists (select from pg_catalog.pg_roles where rolname = {})"
    is_member = (
        "exists (select from pg_catalog.pg_auth_members as link"
        " join pg_catalog.pg_roles as member on member.oid = link.member"
        " join pg_catalog.pg_roles as parent on parent.oid = link.roleid"
        " where member.rolname = {} and parent.rolname = {})"
    )
    path = f"case when everything then {literal(MARTS)} else {literal(READABLE)} end"
    has_path = (
        "exists (select from pg_catalog.pg_db_role_setting as setting"
        " join pg_catalog.pg_roles as role on role.oid = setting.setrole"
        " join pg_catalog.pg_database as here on here.oid = setting.setdatabase"
        " where here.datname = current_database() and role.rolname = role_name"
        f" and 'search_path=' || {path} = any(setting.setconfig))"
    )
    gone = f"(select role_name from {RIGHTS}.roles except select role_name from {RIGHTS}.readers)"
    parts = [
        (1, "format('create role %I', name)", f"unnest(array[{', '.join(map(literal, GROUPS))}]) as name",
         f"not {is_there.format('name')}"),
        (2, literal(f"grant {READERS} to {POOLED}"), "(select) as one",
         f"not {is_member.format(literal(POOLED), literal(READERS))}"),
        (3, f"format('grant connect on database %I to {READERS}', current_database())", "(select) as one",
         f"not coalesce((select pg_catalog.has_database_privilege(oid, current_database(), 'connect')"
         f" from pg_catalog.pg_roles where rolname = {literal(READERS)}),"
         " pg_catalog.has_database_privilege('public', current_database(), 'connect'))"),
        (4, "format('create role %I', role_name)", f"{RIGHTS}.readers", f"not {is_there.format('role_name')}"),
        (5, f"format('grant {READERS} to %I', role_name)", f"{RIGHTS}.readers",
         f"not {is_member.format('role_name', literal(READERS))}"),
        (6, f"format('grant {ANALYSTS} to %I', role_name)", f"{RIGHTS}.readers",
         f"everything and not {is_member.format('role_name', literal(ANALYSTS))}"),
        (7, f"format('revoke {ANALYSTS} from %I', role_name)", f"{RIGHTS}.roles",
         f"{is_member.format('role_name', literal(ANALYSTS))} and not exists"
         f" (select from {RIGHTS}.readers where readers.role_name = roles.role_name and everything)"),
        (8, f"format('alter role %I in database %I set search_path = %I', role_name, current_database(), {path})",
         f"{RIGHTS}.readers", f"not {has_path}"),
        (9, f"format('revoke {READERS} from %I', role_name)", f"{gone} as gone",
         is_member.format("role_name", literal(READERS))),
        (10, "format('alter role %I nologin', role_name)", f"{gone} as gone",
         "exists (select from pg_catalog.pg_roles where rolname = role_name and rolcanlogin)"),
    ]  # fmt: skip
    selects = " union all ".join(
        f"select {step} as step, {statement} as statement from {source} where {where}"
        for step, statement, source, where in parts
    )
    return f"create or replace view {RIGHTS}.role_statements as {selects}"
