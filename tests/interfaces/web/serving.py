"""A server of pages for tests: sites that say who reads them, a clock that is moved by hand, and a mail server."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from starlette.testclient import TestClient

from amkpi.access.names import Names
from amkpi.access.reader import Reader
from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.setting_groups.readers import Mail, Pages, Scorecards
from amkpi.core.settings import Settings
from amkpi.interfaces.web.application import Application
from amkpi.scorecards.mail.smtp import Server
from tests.access.agencies import AS_OF, names_of, person
from tests.scorecards.mail.test_delivery import free_port

URL = "https://kpi.agency.example"
PAGE = "vi/index.html"
# M is below D, and N is below nobody.
PEOPLE = names_of(person("D"), person("M", "D"), person("N", locale="en"))


@dataclass
class Clock:
    """A moment that stands still."""

    at: datetime = datetime(2026, 10, 18, 1, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def passes(self, **span: float) -> None:
        self.at += timedelta(**span)


@dataclass
class TestAnswer:
    """A page."""

    __test__ = False
    media_type: str
    body: bytes


@dataclass
class TestSite:
    """A site whose pages say who reads them and of which publication they are. Its file is open until it is closed."""

    __test__ = False
    file: Path
    names: Names
    opened: io.BufferedReader = field(init=False)
    made: list[str] = field(default_factory=list)
    is_prepared: bool = False

    def __post_init__(self) -> None:
        self.opened = self.file.open("rb")

    @property
    def publication_id(self) -> str:
        return self.file.stem.removeprefix("kpi_")

    def page(self, reader: Reader, path: str) -> TestAnswer | None:
        assert not self.opened.closed, "a page of a site that was closed"
        assert self.is_prepared, "a page of a site that has not read what the first pages need"
        self.made.append(path)
        if path == "vi/defect.html":
            raise ZeroDivisionError("1,234,567 of NV999")
        if path.startswith("vi/person/") and path.split("/")[2].removesuffix(".html") not in reader.people:
            return None
        if not path.startswith(("vi/index", "en/index", "vi/person/", "assets/")):
            return None
        people = ",".join(sorted(reader.people))
        return TestAnswer(
            "text/html; charset=utf-8", f"{self.publication_id}: {reader.staff_id} of {people} 83.3%".encode()
        )

    def prepare(self) -> None:
        self.is_prepared = True

    def close(self) -> None:
        self.opened.close()


class Postbox:
    """A mail server that keeps what it gets."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.answer = "250 taken"
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            self.taken.append((envelope.rcpt_tos[0], bytes(envelope.content or b"")))
        return self.answer

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    def server(self) -> Server:
        return Server("127.0.0.1", int(self._controller.port), "none", timeout=5)

    def body(self, number: int = -1) -> str:
        mail = message_from_bytes(self.taken[number][1], policy=default)
        return str(mail.get_content())

    def token(self, number: int = -1) -> str:
        """The token of the link in a mail."""
        found = re.search(rf"{re.escape(URL)}/sign-in-link\?token=(\S+)", self.body(number))
        assert found
        return found[1]


@dataclass
class Serving:
    """A server with its home, clock, mail server and sites."""

    home: Home
    settings: Settings
    postbox: Postbox
    clock: Clock = field(default_factory=Clock)
    names: dict[str, Names] = field(default_factory=dict)
    sites: list[TestSite] = field(default_factory=list)
    transport: Any = None

    def __post_init__(self) -> None:
        self.application = Application(
            Run(self.home, self.settings, AS_OF, self.clock), self._open, self.postbox.server, self.transport
        )

    def _open(self, file: Path, settings: Settings) -> TestSite:
        self.sites.append(TestSite(file, self.names[file.name]))
        return self.sites[-1]

    def publish(self, identity: str, names: Names = PEOPLE) -> Path:
        """Make a publication, and swing the link to it as the pipeline does."""
        self.home.published.mkdir(parents=True, exist_ok=True)
        file = self.home.published / f"kpi_{identity}.duckdb"
        file.write_text(identity)
        self.names[file.name] = names
        link = self.home.published / f".link_{identity}_{threading.get_ident()}"
        link.symlink_to(file.name)
        link.replace(self.home.current)
        return file

    @contextmanager
    def client(self, **options: Any) -> Iterator[TestClient]:
        """A browser without a session; the server runs as long as it does."""
        with TestClient(self.application.asgi, base_url=URL, follow_redirects=False, **options) as client:
            client.headers["origin"] = URL
            yield client

    def ask(self, client: TestClient, address: str, target: str = "") -> Any:
        """Ask for a link, and wait until the mail, if there is one, was sent."""
        answer = client.post("/sign-in", data={"address": address, "next": target})
        self.application.mailer.wait()
        return answer

    def sign_in(self, client: TestClient, address: str, target: str = "") -> Any:
        """Sign in by the link of a mail."""
        before = len(self.postbox.taken)
        self.ask(client, address, target)
        assert len(self.postbox.taken) == before + 1
        return client.post("/sign-in-link", data={"token": self.postbox.token()})

    def log(self) -> str:
        """The whole access log."""
        return "".join(file.read_text() for file in sorted((self.home.state / "access").glob("*.jsonl")))


def settings_of(**pages: Any) -> Settings:
    """The settings of a server for tests; pages: settings of that group."""
    given: dict[str, Any] = {"url": URL} | pages
    return Settings(
        pages=Pages(**given), mail=Mail(sender="KPI <kpi@agency.example>"), scorecards=Scorecards(leadership=("N",))
    )  # type: ignore[call-arg]


Start = Callable[..., Serving]
