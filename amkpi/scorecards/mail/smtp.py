"""One connection to an SMTP server, and what its answer to a message means."""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass, field
from typing import Literal

from amkpi.scorecards.mail.history import State
from amkpi.scorecards.mail.messages import Mail


@dataclass(frozen=True)
class Server:
    """Where mail is handed in. security: `starttls` (587), `tls` from the first byte (465), or `none` inside a house.

    ca_file: the authority to trust beside the system's.
    """

    host: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    ca_file: str | None = None


class NoConnection(Exception):
    """The server cannot be reached, or does not let us in. Nothing was given to it."""


class Session:
    """An open connection. `deliver` never raises for what a server or a network does."""

    def __init__(self, server: Server, sender: str) -> None:
        """Connect, secure, log in. Raises NoConnection."""
        self._sender = sender
        context = ssl.create_default_context(cafile=server.ca_file)
        try:
            if server.security == "tls":
                self._smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                    server.host, server.port, timeout=server.timeout, context=context
                )
            else:
                self._smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
                if server.security == "starttls":
                    self._smtp.starttls(context=context)
            if server.user is not None:
                self._smtp.login(server.user, server.password or "")
        except (OSError, smtplib.SMTPException) as error:
            if hasattr(self, "_smtp"):
                self._smtp.close()
            raise NoConnection(f"{server.host}:{server.port}: {_one_line(error)}") from error
        self.is_open = True

    def deliver(self, mail: Mail) -> tuple[State, str]:
        """Hand in one message; returns what became of it and the server's answer.

        Cut off before the server was ready for the content: deferred, it surely has nothing. After that and before its
        answer: uncertain.
        """
        begun = False
        try:
            for verb, argument in (("MAIL", f"FROM:<{self._sender}>"), ("RCPT", f"TO:<{mail.address}>"), ("DATA", "")):
                if verb == "MAIL":
                    self._smtp.ehlo_or_helo_if_needed()
                code, said = self._smtp.docmd(verb, argument)
                if not (code == 354 if verb == "DATA" else 200 <= code < 300):
                    return self._refused(code, said)
            begun = True
            content = mail.content if mail.content.endswith(b"\r\n") else mail.content + b"\r\n"
            self._smtp.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
            code, said = self._smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self.is_open = False
            self._smtp.close()
            return ("uncertain" if begun else "deferred"), f"cut off: {_one_line(error)}"
        if 200 <= code < 300:
            return "sent", _answer(code, said)
        return self._refused(code, said)

    def close(self) -> None:
        """Take leave; a server that is gone does not matter."""
        if self.is_open:
            self.is_open = False
            try:
                self._smtp.quit()
            except (OSError, smtplib.SMTPException):
                self._smtp.close()

    def _refused(self, code: int, said: bytes) -> tuple[State, str]:
        """The server's no: 4xx for now, 5xx for good. The connection is made ready for the next message."""
        try:
            if code == 421:
                raise smtplib.SMTPServerDisconnected("421")
            self._smtp.rset()
        except (OSError, smtplib.SMTPException):
            self.is_open = False
            self._smtp.close()
        return ("refused" if code >= 500 else "deferred"), _answer(code, said)


def _answer(code: int, said: bytes) -> str:
    return f"{code} {_one_line(said.decode('utf-8', 'replace'))}"


def _one_line(what: object) -> str:
    return " ".join(str(what).split())[:300]
