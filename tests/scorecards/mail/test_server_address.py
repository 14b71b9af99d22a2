"""The mail server's address is read as Airflow reads it, without Airflow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from amkpi.interfaces.cli.commands.mail import mail_server
from amkpi.scorecards.mail.smtp import Server, server_of, server_of_text
from tests.access.agencies import AS_OF

ADDRESSES = [
    "smtp://mail.example",
    "smtp://mail.example:25/?security=none",
    "smtp://user%40x.example:p%3A%2F%40%25w@mail.example:465/?security=tls&ca_file=%2Fetc%2Fca.pem",
    "smtp://user:p+w@mail.example:587/?__extra__=%7B%22security%22%3A+%22starttls%22%7D",
    json.dumps({"conn_type": "smtp", "host": "mail.example", "login": "u", "password": "p:/@", "port": 2525,
                "extra": {"security": "none"}}),
    json.dumps({"conn_type": "smtp", "host": "mail.example", "extra": '{"security": "tls"}'}),
]  # fmt: skip


@pytest.mark.slow  # Airflow takes 4 s to import
@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_means_the_same_as_in_airflow(text: str) -> None:
    from airflow.models.connection import Connection

    connection = Connection.from_json(text) if text.startswith("{") else Connection(uri=text)
    assert server_of_text(text) == server_of(connection)


def test_an_address_has_its_parts() -> None:
    assert server_of_text(ADDRESSES[2]) == Server(
        "mail.example", 465, "tls", "user@x.example", "p:/@%w", ca_file="/etc/ca.pem"
    )


@pytest.mark.parametrize("text", ["", "mail.example", "smtp://u:secret@h:port", "{", "[]", '{"host": 1, "port": "x"}',
                                  "smtp://u:secret@h/?security=perhaps"])  # fmt: skip
def test_what_cannot_be_read_is_one_line_without_the_password(text: str) -> None:
    with pytest.raises(AmkpiError) as error:
        server_of_text(text)
    assert "secret" not in str(error.value)


def test_the_variable_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "smtp"
    home = Home.at(tmp_path)
    run = Run(home, load_settings(home, {"AMKPI_MAIL_SERVER_FILE": str(file)}), AS_OF)
    monkeypatch.delenv("AIRFLOW_CONN_AMKPI_SMTP", raising=False)
    with pytest.raises(AmkpiError, match="mail_server_file"):
        mail_server(run)
    file.write_text("\n")
    with pytest.raises(AmkpiError, match=r"no mail server: .* or the setting mail_server_file"):
        mail_server(run)
    file.write_text("smtp://file.example\n")
    assert mail_server(run).host == "file.example"
    monkeypatch.setenv("AIRFLOW_CONN_AMKPI_SMTP", "smtp://variable.example")
    assert mail_server(run).host == "variable.example"
