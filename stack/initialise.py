"""What must be there before Airflow starts, as one process: every `airflow` command would cost 10 s of its own.

Safe on every `make up`, and what an upgrade needs: Airflow's tables as this version wants them, the pool of the one
writer, the mail server and the administrator's password as secrets/ says now. Exit 1 with one line that says what to
mend when the volumes cannot be written or a setting is wrong: the stack then does not start at all.
"""

from __future__ import annotations

import sys
from pathlib import Path

SECRETS = Path("/run/secrets")
ADMIN = "admin"
MAIL = "amkpi_smtp"


def secret(name: str) -> str:
    """A secret's text."""
    return (SECRETS / name).read_text(encoding="utf-8").strip()


def prepare_home() -> None:
    """Make the folders of HOME, and one for each extract in LANDING: a folder that a sender makes may be closed to us.

    Raises AmkpiError for a volume that cannot be written, and for a wrong setting.
    """
    from amkpi.core.run import Run
    from amkpi.ingestion.contracts.extracts import EXTRACTS

    home = Run.prepare().home
    home.make()
    for extract in EXTRACTS:
        (home.landing / extract).mkdir(exist_ok=True)


def prepare_database() -> None:
    """Create or upgrade Airflow's tables and those of its users, and set the pool and the mail connection."""
    from airflow.utils.db import initdb

    from amkpi.interfaces.airflow.assets import ensure_pool

    initdb()
    ensure_pool()
    set_mail_server(secret(MAIL))


def set_mail_server(address: str) -> None:
    """Let the connection be what secrets/amkpi_smtp says; none when it is empty."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(Connection).where(Connection.conn_id == MAIL))
        if address:
            session.add(Connection(conn_id=MAIL, uri=address))
    if not address:
        print(f"no mail server: scorecards wait until its address stands in secrets/{MAIL}", flush=True)


def set_administrator(password: str) -> None:
    """Create the administrator, or set the password as secrets/admin_password says."""
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
        sys.exit(f"the user {ADMIN} could not be made: see the lines above")


def main() -> None:
    """Do all of it."""
    from amkpi.core.errors import AmkpiError

    try:
        prepare_home()
    except AmkpiError as error:
        sys.exit(f"amkpi: {error}")
    prepare_database()
    set_administrator(secret("admin_password"))
    print("ready", flush=True)


if __name__ == "__main__":
    main()
