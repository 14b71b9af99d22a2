"""The mails with sign-in links: made and sent after the answer, so that its time says nothing about an address."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from amkpi.access.reader import Reader
from amkpi.core.errors import AmkpiError
from amkpi.core.language.names import plain
from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Translator
from amkpi.core.run import Run
from amkpi.interfaces.web.current_site import CurrentSite, NothingPublished
from amkpi.interfaces.web.sign_ins import Link, SignIns
from amkpi.scorecards.mail.messages import OutgoingMail, note, sender_address
from amkpi.scorecards.mail.smtp import NoConnection, Server, Session
from amkpi.scorecards.recipients import locale_language

_log = logging.getLogger(__name__)
# More requests than this wait for nothing: whoever asks is asked to come back.
MOST_WAITING = 200


@dataclass(frozen=True)
class LinkRequest:
    """Somebody asks for a link. target: the page to open after the sign-in, empty for the first one."""

    address: str
    target: str
    language: Language


class LinkMailer:
    """Answers requests for links one after the other, in a thread of its own."""

    def __init__(self, run: Run, sign_ins: SignIns, current: CurrentSite, server: Callable[[], Server]) -> None:
        """server: the mail server, asked for with each mail. Its address may change while the pages are served."""
        self._run, self._sign_ins, self._current, self._server = run, sign_ins, current, server
        self._waiting: queue.Queue[LinkRequest | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to answer."""
        self._thread = threading.Thread(target=self._work, name="link-mailer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer what waits, and end."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def ask(self, request: LinkRequest) -> bool:
        """Take a request; whether there was room for it."""
        try:
            self._waiting.put_nowait(request)
        except queue.Full:
            return False
        return True

    def wait(self) -> None:
        """Wait until all requests are answered."""
        self._waiting.join()

    def _work(self) -> None:
        while True:
            request = self._waiting.get()
            try:
                if request is None:
                    return
                self._answer(request)
            except (AmkpiError, NoConnection, OSError) as error:
                _log.error("a sign-in link could not be sent: %s", error)
            finally:
                self._waiting.task_done()

    def _answer(self, request: LinkRequest) -> None:
        """Send a link to a known address, and nothing to an unknown one."""
        if not self._sign_ins.is_address_within_limit(request.address):
            return
        try:
            with self._current.lent() as opened:
                reader = opened.reader(request.address)
                person = opened.site.names.people.get(reader.staff_id) if reader and reader.staff_id else None
        except NothingPublished:
            return
        if reader is not None:
            # To the address as the staff extract has it, and not as somebody has typed it.
            address = (person.email if person else None) or request.address
            self._send(
                request, reader, address.strip(), locale_language(person.locale if person else None, request.language)
            )

    def _send(self, request: LinkRequest, reader: Reader, recipient: str, language: Language) -> None:
        settings = self._run.settings
        link = Link(request.address, reader.staff_id, request.target)
        token = self._sign_ins.make_link(link, settings.pages.link_minutes)
        sender = sender_address(settings.mail.sender)
        to = sender_address(recipient)
        t = Translator(language)
        address = f"{settings.pages.url.rstrip('/')}/sign-in-link?token={quote(token, safe='')}"
        minutes = t.n("{n} minute", "{n} minutes", settings.pages.link_minutes)
        body = "\n\n".join(
            (
                t.t("Somebody, probably you, asked to sign in to the KPI pages with this address."),
                address,
                t.t("The link is valid for {minutes}, and once.", minutes=minutes),
                t.t("If it was not you, do nothing: without this link nobody can sign in. Do not forward this mail."),
            )
        )
        digest = hashlib.sha256(token.encode()).hexdigest()[:32]
        content = note(sender, to, t.t("Sign in to the KPI pages"), body + "\n", self._run.now(), digest)
        session = Session(self._server(), sender.addr_spec)
        try:
            state, answer = session.deliver(OutgoingMail("", to.addr_spec, "", "", "", "", "", content, ()))
        finally:
            session.close()
        if state != "sent":
            _log.error("a sign-in link could not be sent to %s: %s: %s", plain(to.addr_spec), state, answer)
