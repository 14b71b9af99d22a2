"""Sign-in and sign-out: by a link in a mail, or by OpenID Connect where an issuer is set."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from amkpi.access.reader import Reader, address_key
from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Translator
from amkpi.core.run import Run
from amkpi.interfaces.web.current_site import CurrentSite, NothingPublished
from amkpi.interfaces.web.link_mail import LinkMailer, LinkRequest
from amkpi.interfaces.web.request import client_of, form_of, language_of, redirect, target_of
from amkpi.interfaces.web.screens import Form, Screen, style
from amkpi.interfaces.web.sign_ins import Link, SignIns

COOKIE = "amkpi_session"
# A browser takes a cookie of this name only with Secure, without Domain, and for the whole host.
SECURE_COOKIE = f"__Host-{COOKIE}"


def standing(reader: Reader) -> str:
    """What kind of reader this is. Another kind ends the session; who is in a team does not, it counts at once."""
    kind = (reader.staff_id, reader.company, reader.data, reader.everything)
    return hashlib.sha256(repr(kind).encode()).hexdigest()


@dataclass(frozen=True)
class SignIn:
    """The routes of the sign-in. is_by_provider: OpenID Connect signs readers in, and no link does."""

    run: Run
    sign_ins: SignIns
    current: CurrentSite
    mailer: LinkMailer
    is_by_provider: bool

    def routes(self) -> list[Route]:
        """All routes of the sign-in but those of the provider."""
        by_link = [
            Route("/sign-in", self.ask, methods=["POST"]),
            Route("/sign-in-link", self.show_link, methods=["GET"]),
            Route("/sign-in-link", self.use_link, methods=["POST"]),
        ]
        return [
            Route("/sign-in", self.show, methods=["GET"]),
            *([] if self.is_by_provider else by_link),
            Route("/sign-in.css", self.style, methods=["GET"]),
            Route("/sign-out", self.show_sign_out, methods=["GET"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
        ]

    def show(self, request: Request) -> Response:
        """The form for the address, or the way to the provider."""
        target = target_of(request.query_params.get("next", ""))
        language = self.language(request, target)
        t = Translator(language).t
        if self.is_by_provider:
            start = f"sign-in-provider?next={quote(target, safe='')}" if target else "sign-in-provider"
            return Screen(t("Sign in"), link=(start, t("Sign in with your company account"))).response(language)
        return Screen(
            t("Sign in"),
            (t("You get a mail with a link that signs you in."),),
            Form("sign-in", t("Send me the link"), t("Your address at the agency"), {"next": target}),
        ).response(language)

    async def ask(self, request: Request) -> Response:
        """Take a request for a link. The answer is the same for every address."""
        form = await form_of(request)
        target = target_of(form.get("next", ""))
        language = self.language(request, target)
        t = Translator(language).t
        address = address_key(form.get("address"))[:254]
        within = await run_in_threadpool(self.sign_ins.is_client_within_limit, client_of(request))
        if not within or not self.mailer.ask(LinkRequest(address, target, language)):
            sentence = t("There were too many requests. Please wait a quarter of an hour, and try again.")
            return Screen(t("Please wait"), (sentence,)).response(language, 429)
        minutes = Translator(language).n("{n} minute", "{n} minutes", self.run.settings.pages.link_minutes)
        return Screen(
            t("Look into your mail"),
            (
                t("If this address is known here, a mail with a link is on its way to it."),
                t("The link is valid for {minutes}, and once.", minutes=minutes),
            ),
            link=("sign-in", t("Ask again")),
        ).response(language)

    def show_link(self, request: Request) -> Response:
        """A page with a button. Programs that look into mails open links: so opening one uses nothing."""
        token = request.query_params.get("token", "")
        link = self.sign_ins.find_link(token)
        language = self.language(request, link.target if link else "")
        if link is None:
            return self._no_link(language)
        t = Translator(language).t
        sentences = (t("You sign in with the address {address}.", address=link.address),)
        form = Form("sign-in-link", t("Sign in"), hidden={"token": token})
        return Screen(t("Sign in"), sentences, form).response(language)

    async def use_link(self, request: Request) -> Response:
        """Sign in with a link, which is used by this."""
        form = await form_of(request)
        return await run_in_threadpool(self._use, request, form.get("token", ""))

    def _use(self, request: Request, token: str) -> Response:
        link = self.sign_ins.find_link(token)
        language = self.language(request, link.target if link else "")
        reader = self.reader(link.address) if link else None
        # The address may have become somebody else's since the link was made. Of two requests at once one uses it.
        if link is None or reader is None or reader.staff_id != link.staff_id or self.sign_ins.use_link(token) is None:
            return self._no_link(language)
        return self.begin(request, link, reader, language)

    def begin(self, request: Request, link: Link, reader: Reader, language: Language) -> Response:
        """Begin a session, and lead to the page that was asked for. Any session of before in this browser ends."""
        self.end(request)
        hours = self.run.settings.pages.session_hours
        token = self.sign_ins.open_session(address_key(link.address), standing(reader), hours)
        request.scope["state"]["who"] = reader.staff_id or link.address
        response = redirect(request, quote(link.target or f"{language}/index.html", safe="/"))
        response.set_cookie(
            self.cookie(request), token, max_age=hours * 3600, path="/", secure=self.is_secure(request),
            httponly=True, samesite="lax",
        )  # fmt: skip
        return response

    def show_sign_out(self, request: Request) -> Response:
        """A page with a button: no link of another site can sign anybody out."""
        language = self.language(request)
        t = Translator(language).t
        form = Form("sign-out", t("Sign out"))
        return Screen(t("Sign out"), (), form, (f"{language}/index.html", t("To the overview"))).response(language)

    async def sign_out(self, request: Request) -> Response:
        """End the session here and in the store."""
        await run_in_threadpool(self._leave, request)
        language = self.language(request)
        t = Translator(language).t
        response = Screen(t("You are signed out"), link=("sign-in", t("Sign in"))).response(language)
        response.delete_cookie(
            self.cookie(request), path="/", secure=self.is_secure(request), httponly=True, samesite="lax"
        )
        response.headers["clear-site-data"] = '"cache"'
        return response

    def _leave(self, request: Request) -> None:
        signed_in = self.signed_in(request)
        if signed_in is not None:
            with suppress(NothingPublished):
                reader = self.reader(signed_in[0])
                request.scope["state"]["who"] = (reader.staff_id if reader else None) or signed_in[0]
        self.end(request)

    def style(self, request: Request) -> Response:
        """The style sheet of these pages, which is no secret."""
        return Response(style(), media_type="text/css", headers={"cache-control": "public, max-age=3600"})

    def signed_in(self, request: Request) -> tuple[str, str] | None:
        """Address and standing of the session of a request; None without one."""
        token = request.cookies.get(self.cookie(request))
        session = self.sign_ins.session(token) if token else None
        return (session.address, session.standing) if session else None

    def end(self, request: Request) -> None:
        """End the session of a request, if it has one."""
        token = request.cookies.get(self.cookie(request))
        if token:
            self.sign_ins.end_session(token)

    def reader(self, address: str) -> Reader | None:
        """The rights of an address in the current publication. Raises NothingPublished."""
        with self.current.lent() as opened:
            return opened.reader(address)

    def language(self, request: Request, target: str = "") -> Language:
        """The language of the answer."""
        return language_of(request, target, self.run.settings.scorecards.language)

    def is_secure(self, request: Request) -> bool:
        """Whether readers come by TLS: the proxy says so, or the address of the pages does."""
        return request.url.scheme == "https" or self.run.settings.pages.url.startswith("https:")

    def cookie(self, request: Request) -> str:
        """The name of the session's cookie."""
        return SECURE_COOKIE if self.is_secure(request) else COOKIE

    def _no_link(self, language: Language) -> Response:
        t = Translator(language).t
        return Screen(
            t("This link is not valid"),
            (t("It was used, or it is too old. Each link signs in once. Please ask for a new one."),),
            link=("sign-in", t("Sign in")),
        ).response(language, 400)


def to_sign_in(request: Request, target: str) -> Response:
    """Where a reader without a session is led; for a page and for what is none alike."""
    if request.url.path.endswith((".css", ".js")):
        return PlainTextResponse("sign in first", 401)
    wanted = target_of(target)
    return redirect(request, f"sign-in?next={quote(wanted, safe='')}" if wanted else "sign-in")
