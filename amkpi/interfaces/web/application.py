"""The web application: its routes, and how a page is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from amkpi.core.home import Home
from amkpi.core.language.translator import Translator
from amkpi.core.run import Run
from amkpi.core.settings import Settings
from amkpi.core.storage.pages_key import secret_key
from amkpi.interfaces.web.access_log import AccessLog
from amkpi.interfaces.web.current_site import CurrentSite, NothingPublished, Site
from amkpi.interfaces.web.link_mail import LinkMailer
from amkpi.interfaces.web.provider import Provider
from amkpi.interfaces.web.request import language_of, redirect, root_of
from amkpi.interfaces.web.screens import defect, not_found, nothing_published
from amkpi.interfaces.web.shield import HEALTH, Shield
from amkpi.interfaces.web.sign_in import SignIn, standing, to_sign_in
from amkpi.interfaces.web.sign_ins import SignIns
from amkpi.scorecards.mail.smtp import Server

# The place in `amkpi/pages/render/templates/base.html.j2` for what only a server can show.
SESSION_MARK = b"<!-- session -->"
# What the pages need to look and work as they should. It is the same for every reader.
ASSETS = "/assets/"
ICON = "/favicon.ico"


class Application:
    """Everything that answers requests, with what it holds open between them."""

    def __init__(
        self,
        run: Run,
        open_site: Callable[[Path, Settings], Site],
        server: Callable[[], Server],
        transport: Any = None,
    ) -> None:
        """open_site: `amkpi.pages.site.open_site`. server: the mail server. transport: as of `Provider`.

        Raises AmkpiError.
        """
        self.run = run
        self.sign_ins = SignIns(run.home.state, secret_key(run.home.state), run.now)
        self.current = CurrentSite(run.home, run.settings, open_site)
        self.mailer = LinkMailer(run, self.sign_ins, self.current, server)
        by_provider = bool(run.settings.pages.oidc_issuer)
        self.sign_in = SignIn(run, self.sign_ins, self.current, self.mailer, by_provider)
        self.provider = Provider(self.sign_in, self.sign_ins.key, transport) if by_provider else None
        self.asgi = self._asgi(run.home, run.settings)

    def _asgi(self, home: Home, settings: Settings) -> ASGIApp:
        inner = Starlette(
            routes=[
                Route(HEALTH, self.health),
                Route(ICON, self.icon),
                *self.sign_in.routes(),
                *(self.provider.routes() if self.provider else ()),
                Route("/", self.first_page),
                Route("/{path:path}", self.page),
            ],
            exception_handlers={
                HTTPException: self._http_error,
                NothingPublished: self._nothing,
                Exception: self._defect,
            },
            lifespan=self._lifespan,
        )
        # A slash at the end is no other way to write a page.
        inner.router.redirect_slashes = False
        log = AccessLog(home.state, settings.pages.log_days)
        return Shield(inner, log, self.run.now, settings.pages.url, _is_view)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.current.start()
        self.mailer.start()
        try:
            yield
        finally:
            self.mailer.close()
            self.current.close()

    def health(self, request: Request) -> Response:
        """Whether the server answers. A stack without a publication is healthy too."""
        return JSONResponse({"status": "ok"})

    def icon(self, request: Request) -> Response:
        """There is none. Browsers ask for it by themselves, and would report a page that is missing."""
        return Response(status_code=204, headers={"cache-control": "public, max-age=86400"})

    def first_page(self, request: Request) -> Response:
        """The overview in the reader's language."""
        return redirect(request, f"{language_of(request, '', self.run.settings.scorecards.language)}/index.html")

    def page(self, request: Request) -> Response:
        """A page of the current publication."""
        path = request.path_params["path"]
        signed_in = self.sign_in.signed_in(request)
        if signed_in is None:
            return to_sign_in(request, path)
        address, before = signed_in
        with self.current.lent() as opened:
            reader = opened.reader(address)
            if reader is None or standing(reader) != before:
                self.sign_in.end(request)
                return to_sign_in(request, path)
            state = request.scope["state"]
            state["who"], state["publication"] = reader.staff_id or address, opened.publication_id
            answer = opened.page(reader, path)
        if answer is None:
            return not_found(self.sign_in.language(request), root_of(request))
        headers = {"cache-control": "private, max-age=300"} if request.url.path.startswith(ASSETS) else {}
        return Response(self._with_sign_out(request, answer.body), media_type=answer.media_type, headers=headers)

    def _with_sign_out(self, request: Request, body: bytes) -> bytes:
        """A page with the way out of the session, where its template has the place for it."""
        if SESSION_MARK not in body:
            return body
        t = Translator(self.sign_in.language(request)).t
        link = f'<a href="{root_of(request)}sign-out">{escape(t("Sign out"))}</a>'
        return body.replace(SESSION_MARK, f'<nav class="session">{link}</nav>'.encode(), 1)

    def _http_error(self, request: Request, error: Exception) -> Response:
        """What Starlette refuses: a method that a page does not have."""
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return not_found(self.sign_in.language(request), root_of(request))
        return PlainTextResponse(error.detail, error.status_code, error.headers)

    def _nothing(self, request: Request, error: Exception) -> Response:
        return nothing_published(self.sign_in.language(request), root_of(request))

    def _defect(self, request: Request, error: Exception) -> Response:
        """The page to an error that nobody expected. Starlette raises it again: the server logs it."""
        return defect(self.sign_in.language(request), root_of(request))


def _is_view(path: str) -> bool:
    return path not in (HEALTH, ICON, "/sign-in.css") and not path.startswith(ASSETS)
