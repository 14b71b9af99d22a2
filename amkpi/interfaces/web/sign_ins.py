"""Sessions, sign-in links and how often somebody asked for one, in HOME/state/.

Of a session and of a link only a hash is stored: who reads the file cannot sign in with it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from amkpi.access.reader import address_key
from amkpi.core.storage.migrations.state_stores import SIGN_INS

# Links that one address gets within the window: more would be a nuisance to its owner. There is no limit of a day:
# whoever knows an address could use it up. The links of the window are valid, whoever has asked for them.
ADDRESS_LIMIT = 3
# Requests from one client within the window. An office often has one address for everybody in it.
CLIENT_LIMIT = 30
WINDOW_SECONDS = 15 * 60


@dataclass(frozen=True)
class Session:
    """Somebody who has signed in. standing: what kind of reader it was then; another one ends the session."""

    address: str
    standing: str


@dataclass(frozen=True)
class Link:
    """A sign-in link: for whom, and the page to open afterwards. staff_id: whose address it was when it was made."""

    address: str
    staff_id: str | None
    target: str


@dataclass(frozen=True)
class SignIns:
    """The store. key: signs the links. now: the clock."""

    state: Path
    key: bytes
    now: Callable[[], datetime]

    def __post_init__(self) -> None:
        """Make the file, for its owner alone: it has the addresses of who signed in."""
        with SIGN_INS.open(self.state):
            SIGN_INS.file(self.state).chmod(0o600)

    def open_session(self, address: str, standing: str, hours: int) -> str:
        """Begin a session; returns the secret of its cookie."""
        token = secrets.token_urlsafe(32)
        with SIGN_INS.open(self.state) as connection:
            connection.execute("delete from sessions where ends <= ?", [self._at()])
            connection.execute(
                "insert into sessions (digest, address, standing, ends) values (?, ?, ?, ?)",
                [_digest(token), address, standing, self._at() + hours * 3600],
            )
        return token

    def session(self, token: str) -> Session | None:
        """The session of a cookie; None where it has ended, or never was."""
        with SIGN_INS.open(self.state) as connection:
            row = connection.execute(
                "select address, standing from sessions where digest = ? and ends > ?", [_digest(token), self._at()]
            ).fetchone()
        return Session(*row) if row else None

    def end_session(self, token: str) -> None:
        """End a session."""
        with SIGN_INS.open(self.state) as connection:
            connection.execute("delete from sessions where digest = ?", [_digest(token)])

    def make_link(self, link: Link, minutes: int) -> str:
        """Keep a link; returns its signed token, which is valid once and for so many minutes."""
        ends = int(self._at()) + minutes * 60
        token = f"{secrets.token_urlsafe(32)}.{ends}"
        with SIGN_INS.open(self.state) as connection:
            connection.execute("delete from links where ends <= ?", [self._at()])
            connection.execute(
                "insert into links (digest, address, staff_id, target, ends) values (?, ?, ?, ?, ?)",
                [_digest(token), link.address, link.staff_id, link.target, ends],
            )
        return f"{token}.{self._signature(token)}"

    def find_link(self, signed: str) -> Link | None:
        """The link of a token without using it; None where it is altered, used, expired or unknown."""
        token = self._checked(signed)
        if token is None:
            return None
        with SIGN_INS.open(self.state) as connection:
            row = connection.execute(
                "select address, staff_id, target from links where digest = ? and not is_used and ends > ?",
                [_digest(token), self._at()],
            ).fetchone()
        return Link(*row) if row else None

    def use_link(self, signed: str) -> Link | None:
        """The link of a token, which is used by this; None as of `find_link`. Of two at once only one gets it."""
        token = self._checked(signed)
        if token is None:
            return None
        with SIGN_INS.open(self.state) as connection:
            row = connection.execute(
                "update links set is_used = 1 where digest = ? and not is_used and ends > ?"
                " returning address, staff_id, target",
                [_digest(token), self._at()],
            ).fetchone()
        return Link(*row) if row else None

    def is_client_within_limit(self, client: str) -> bool:
        """Count a request of a client; whether it is within the limit."""
        return self._count(f"client {client}", CLIENT_LIMIT)

    def is_address_within_limit(self, address: str) -> bool:
        """Count a request for an address, known or not; whether it is within the limit."""
        return self._count(f"address {address_key(address)}", ADDRESS_LIMIT)

    def _count(self, who: str, most: int) -> bool:
        """Count a request, unless there were so many within the window."""
        # Whoever asked is of no interest, only how often: so a keyed hash is stored, and no address.
        digest = hmac.new(self.key, f"request {who}".encode(), hashlib.sha256).hexdigest()
        at = self._at()
        with SIGN_INS.open(self.state) as connection:
            connection.execute("begin immediate")
            connection.execute("delete from requests where at <= ?", [at - WINDOW_SECONDS])
            (found,) = connection.execute("select count(*) from requests where who = ?", [digest]).fetchone()
            if found < most:
                connection.execute("insert into requests (who, at) values (?, ?)", [digest, at])
        return bool(found < most)

    def _at(self) -> float:
        return self.now().timestamp()

    def _signature(self, token: str) -> str:
        return hmac.new(self.key, f"link {token}".encode(), hashlib.sha256).hexdigest()

    def _checked(self, signed: str) -> str | None:
        """The token without its signature; None where the signature is wrong."""
        token, _, signature = signed.rpartition(".")
        right = hmac.compare_digest(signature.encode(), self._signature(token).encode())
        return token if right else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
