"""A connection to an SMTP server, and the meaning of its answers."""

from __future__ import annotations

import json
import re
import smtplib
import ssl
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from amkpi.core.errors import AmkpiError
from amkpi.scorecards.mail.history import State
from amkpi.scorecards.mail.messages import OutgoingMail

# A server that does not answer at all is known after this time; one that answers may be slow with a mail.
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Server:
    """The mail server. security: `starttls` (587), `tls` from the first byte (465), or `none` in a private network.

    ca_file: a certificate authority to trust besides those of the system.
    """

    host: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    ca_file: str | None = None


def server_of(connection: Any) -> Server:
    """The SMTP server of an Airflow connection. Raises AmkpiError where the connection is incomplete."""
    extra = connection.extra_dejson
    security = extra.get("security", "starttls")
    if not connection.host or security not in ("starttls", "tls", "none"):
        raise AmkpiError(
            "the connection amkpi_smtp needs a host, and as extra security: starttls, tls or none"
            f" (it says {security!r})"
        )
    port = connection.port or {"starttls": 587, "tls": 465, "none": 25}[security]
    return Server(
        connection.host, port, security, connection.login or None, connection.password, ca_file=extra.get("ca_file")
    )


@dataclass(frozen=True)
class _Connection:
    """What `server_of` reads of an Airflow connection."""

    host: str
    port: int | None
    login: str
    password: str | None
    extra_dejson: dict[str, Any]


def server_of_text(text: str) -> Server:
    """The SMTP server of a text as Airflow's variable has it: an address with `smtp:`, or JSON.

    Airflow itself is not imported, which takes 4 s. Raises AmkpiError; the text, which has a password, is not in it.
    """
    try:
        return server_of(_from_json(text) if text.lstrip().startswith("{") else _from_address(text.strip()))
    except (ValueError, TypeError, AttributeError) as error:
        raise AmkpiError(
            "the mail server's address cannot be read: write it as"
            " smtp://user:password@mail.example:587/?security=starttls"
        ) from error


def _from_address(text: str) -> _Connection:
    parts = urlsplit(text)
    extra: dict[str, Any] = dict(parse_qsl(parts.query))
    if "__extra__" in extra:
        extra = json.loads(extra["__extra__"])
    user, password = unquote(parts.username or ""), unquote(parts.password or "") or None
    return _Connection(unquote(parts.hostname or ""), parts.port, user, password, extra)


def _from_json(text: str) -> _Connection:
    given = json.loads(text)
    extra = given.get("extra") or {}
    port = given.get("port")
    return _Connection(
        given.get("host") or "",
        int(port) if port else None,
        given.get("login") or "",
        given.get("password") or None,
        json.loads(extra) if isinstance(extra, str) else extra,
    )


class NoConnection(Exception):
    """The server cannot be reached, or refuses the login. No mail was handed to it."""


class Session:
    """An open connection. `deliver` does not raise for errors of the server or the network."""

    def __init__(self, server: Server, sender: str) -> None:
        """Connect, start TLS, log in. Raises NoConnection."""
        self._sender = sender
        context = ssl.create_default_context(cafile=server.ca_file)
        to_connect = min(server.timeout, _CONNECT_SECONDS)
        try:
            if server.security == "tls":
                self._smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                    server.host, server.port, timeout=to_connect, context=context
                )
            else:
                self._smtp = smtplib.SMTP(server.host, server.port, timeout=to_connect)
                if server.security == "starttls":
                    self._smtp.starttls(context=context)
            if server.user is not None:
                self._smtp.login(server.user, server.password or "")
            if self._smtp.sock is not None:
                self._smtp.sock.settimeout(server.timeout)
        except (OSError, smtplib.SMTPException) as error:
            if hasattr(self, "_smtp"):
                self._smtp.close()
            raise NoConnection(f"{server.host}:{server.port}: {_one_line(error)}") from error
        self.is_open = True

    def deliver(self, mail: OutgoingMail) -> tuple[State, str]:
        """Hand one message to the server; returns its state and the server's answer.

        Interrupted before the server was ready for the content: deferred, the server certainly has nothing. Interrupted
        after that and before the answer: uncertain.
        """
        content_sent = False
        try:
            for verb, argument in (("MAIL", f"FROM:<{self._sender}>"), ("RCPT", f"TO:<{mail.address}>"), ("DATA", "")):
                if verb == "MAIL":
                    self._smtp.ehlo_or_helo_if_needed()
                code, answer = self._smtp.docmd(verb, argument)
                if not (code == 354 if verb == "DATA" else 200 <= code < 300):
                    return self._refused(code, answer)
            content_sent = True
            content = mail.content if mail.content.endswith(b"\r\n") else mail.content + b"\r\n"
            self._smtp.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
            code, answer = self._smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self.is_open = False
            self._smtp.close()
            return ("uncertain" if content_sent else "deferred"), f"interrupted: {_one_line(error)}"
        if 200 <= code < 300:
            return "sent", _answer(code, answer)
        return self._refused(code, answer)

    def close(self) -> None:
        """End the session. A server that is gone is no error."""
        if self.is_open:
            self.is_open = False
            try:
                self._smtp.quit()
            except (OSError, smtplib.SMTPException):
                self._smtp.close()

    def _refused(self, code: int, answer: bytes) -> tuple[State, str]:
        """A refusal: 4xx is temporary, 5xx is permanent. The connection is made ready for the next message."""
        try:
            if code == 421:
                raise smtplib.SMTPServerDisconnected("421")
            self._smtp.rset()
        except (OSError, smtplib.SMTPException):
            self.is_open = False
            self._smtp.close()
        return ("refused" if code >= 500 else "deferred"), _answer(code, answer)


def _answer(code: int, answer: bytes) -> str:
    return f"{code} {_one_line(answer.decode('utf-8', 'replace'))}"


def _one_line(value: object) -> str:
    return " ".join(str(value).split())[:300]
