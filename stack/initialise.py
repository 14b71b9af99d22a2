"""Prepare the stack before Airflow starts. It is one process, because every `airflow` command would need 10 s.

It runs at every `make up`, also after an upgrade: it migrates Airflow's tables, sets the pool of the one writer, the
mail server and the administrator's password from secrets/, and makes the database of the marts where that is switched
on. If a volume cannot be written or a setting is wrong, it exits with 1 and one line that says how to fix it; the stack
then does not start.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

SECRETS = Path("/run/secrets")
ADMIN = "admin"
MAIL = "amkpi_smtp"
MARTS = "marts_url"


def secret(name: str) -> str:
    """Return the text of a secret."""
    return (SECRETS / name).read_text(encoding="utf-8").strip()


def prepare_homes() -> None:
    """Make the folders of HOME, and one for each extract in LANDING; with AMKPI_AGENCIES, those of each agency.

    Senders do not make them, because amkpi might have no right to move files out of a sender's folder.
    Raises AmkpiError for a volume that cannot be written, and for a wrong setting.
    """
    from amkpi.core.agencies import current_agencies
    from amkpi.core.errors import AmkpiError
    from amkpi.core.run import Run
    from amkpi.ingestion.contracts.extracts import EXTRACTS
    from amkpi.pipeline.agencies import make_folders_of_each

    if group := current_agencies():
        if failed := make_folders_of_each(group):
            raise AmkpiError("; ".join(failed))
        return
    home = Run.prepare().home
    home.make()
    for extract in EXTRACTS:
        (home.landing / extract).mkdir(exist_ok=True)


def prepare_database() -> None:
    """Create or upgrade Airflow's tables and those of its users, and set the pool and the mail connection."""
    from airflow.utils.db import initdb

    from amkpi.interfaces.airflow.task_defaults import ensure_pools

    initdb()
    ensure_pools()
    set_mail_server(secret(MAIL))


def set_mail_server(address: str) -> None:
    """Set the connection to the address of secrets/amkpi_smtp; remove it when the address is empty."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(Connection).where(Connection.conn_id == MAIL))
        if address:
            session.add(Connection(conn_id=MAIL, uri=address))
    if not address:
        print(f"no mail server: scorecards wait until secrets/{MAIL} has its address", flush=True)


def prepare_marts_database(url: str, administrator: str) -> None:
    """Make the database of the marts and its publisher, with the password of the address, as far as they are missing.

    url: the publisher's address. administrator: that of who may make roles and databases. Raises psycopg2.Error.
    """
    import psycopg2
    from psycopg2.extensions import encrypt_password, parse_dsn
    from psycopg2.sql import SQL, Identifier, Literal

    wanted = parse_dsn(url)
    user, database = Identifier(wanted["user"]), Identifier(wanted["dbname"])
    with closing(psycopg2.connect(administrator, connect_timeout=10)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from pg_roles where rolname = %s", [wanted["user"]])
            if not cursor.fetchone()[0]:
                cursor.execute(SQL("create role {} login createrole").format(user))
            # Only a hash is sent, so that no log of the server has the password.
            password = encrypt_password(wanted["password"], wanted["user"], connection, "scram-sha-256")
            cursor.execute(SQL("alter role {} password {}").format(user, Literal(password)))
            cursor.execute("select count(*) from pg_database where datname = %s", [wanted["dbname"]])
            if not cursor.fetchone()[0]:
                cursor.execute(
                    SQL("create database {} owner {} encoding 'UTF8' template template0").format(database, user)
                )
            cursor.execute(SQL("revoke connect, temporary on database {} from public").format(database))


def prepare_marts() -> None:
    """Prepare the database of the marts, if publications are written to the one of the stack."""
    import psycopg2

    if os.environ.get("AMKPI_POSTGRES_URL_FILE") != str(SECRETS / MARTS):
        return
    password = secret("marts_admin_password")
    try:
        prepare_marts_database(secret(MARTS), f"host=marts-db user=postgres dbname=postgres password='{password}'")
    except psycopg2.Error as error:
        reason = " ".join(str(error).split())
        sys.exit(
            f"the database of the marts cannot be prepared: {reason}; AMKPI_POSTGRES_URL_FILE in .env needs"
            " `postgres` in COMPOSE_PROFILES; docs/operations/secrets.md says how to change its password"
        )


def set_administrator(password: str) -> None:
    """Create the administrator, or set the password of secrets/admin_password."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from airflow.utils.providers_configuration_loader import providers_configuration_loaded

    with_providers = providers_configuration_loaded(get_application_builder)
    with with_providers() as builder:
        manager = builder.sm
        user = manager.find_user(username=ADMIN)
        if user is None:
            role = manager.find_role("Admin")
            user = manager.add_user(ADMIN, "Stack", "Administrator", f"{ADMIN}@localhost.localdomain", role, password)
            done = bool(user)
        else:
            done = manager.reset_password(user.id, password)
    if not done:
        sys.exit(f"the user {ADMIN} could not be created: see the lines above")


def main() -> None:
    """Prepare HOME, the database and the administrator."""
    from amkpi.core.errors import AmkpiError

    try:
        prepare_homes()
    except AmkpiError as error:
        sys.exit(f"amkpi: {error}")
    prepare_database()
    prepare_marts()
    set_administrator(secret("admin_password"))
    print("ready", flush=True)


if __name__ == "__main__":
    main()
