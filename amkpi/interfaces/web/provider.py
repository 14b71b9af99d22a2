"""Sign-in by OpenID Connect: the authorization code flow with PKCE, state and nonce, as Authlib does it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amkpi.access.reader import address_key
from amkpi.core.errors import AmkpiError
from amkpi.core.language.names import plain
from amkpi.core.language.translator import Translator
from amkpi.core.setting_groups.readers import Pages
from amkpi.interfaces.web.request import target_of
from amkpi.interfaces.web.screens import Screen
from amkpi.interfaces.web.sign_in import SignIn
from amkpi.interfaces.web.sign_ins import Link

_log = logging.getLogger(__name__)
# The way to the provider and back takes no longer.
_WAY_SECONDS = 600
_TARGET = "target"


class Provider:
    """The routes of a sign-in by an OpenID Connect provider."""

    def __init__(self, sign_in: SignIn, key: bytes, transport: Any = None) -> None:
        """key: signs the cookie of the way to the provider. transport: of httpx2, for tests.

        Raises AmkpiError where Authlib or the client's secret is missing.
        """
        self._sign_in, self._key = sign_in, key
        self._settings = sign_in.run.settings.pages
        self._client = _client(self._settings, transport)

    def routes(self) -> list[Route]:
        """To the provider, and back from it."""
        way = Middleware(
            SessionMiddleware, secret_key=self._key.hex(), session_cookie="amkpi_provider", max_age=_WAY_SECONDS,
            same_site="lax", https_only=self._settings.url.startswith("https:"),
        )  # fmt: skip
        return [
            Route("/sign-in-provider", self.start, methods=["GET"], middleware=[way]),
            Route("/sign-in-provider-done", self.done, methods=["GET"], middleware=[way]),
        ]

    async def start(self, request: Request) -> Response:
        """Lead to the provider."""
        from authlib.integrations.base_client import OAuthError
        from httpx2 import HTTPError

        request.session.clear()
        request.session[_TARGET] = target_of(request.query_params.get("next", ""))
        try:
            await self._check_issuer()
            response: Response = await self._client.authorize_redirect(
                request, f"{self._settings.url.rstrip('/')}/sign-in-provider-done"
            )
        except (OAuthError, HTTPError, AmkpiError) as error:
            return self._refused(request, error)
        return response

    async def done(self, request: Request) -> Response:
        """Back from the provider: a session for who has rights by the address that it vouches for."""
        from authlib.integrations.base_client import OAuthError
        from httpx2 import HTTPError
        from joserfc.errors import JoseError

        try:
            token = await self._client.authorize_access_token(request)
            address = _address(token.get("userinfo") or {}, self._settings.oidc_address_claim)
        except (OAuthError, HTTPError, JoseError, AmkpiError) as error:
            return self._refused(request, error)
        target = target_of(str(request.session.get(_TARGET, "")))
        request.session.clear()
        return await run_in_threadpool(self._begin, request, address, target)

    def _begin(self, request: Request, address: str, target: str) -> Response:
        reader = self._sign_in.reader(address)
        language = self._sign_in.language(request, target)
        if reader is None:
            t = Translator(language).t
            sentence = t("Your account is known, but it has no right to these pages. Please ask who runs them.")
            return Screen(t("No access"), (sentence,)).response(language, 403)
        return self._sign_in.begin(request, Link(address, reader.staff_id, target), reader, language)

    async def _check_issuer(self) -> None:
        """Raise AmkpiError where the provider's own document names another issuer than the setting."""
        found = str((await self._client.load_server_metadata()).get("issuer", ""))
        if found.rstrip("/") != self._settings.oidc_issuer.rstrip("/"):
            raise AmkpiError(f"the provider calls itself {plain(found)}: correct the setting pages_oidc_issuer")

    def _refused(self, request: Request, error: Exception) -> Response:
        """The sign-in failed. Why is in the server's log: a reader can do nothing about it but try again."""
        _log.error("sign-in by the provider failed: %s", plain(str(error)))
        language = self._sign_in.language(request)
        t = Translator(language).t
        sentence = t("The sign-in with your company account did not work. Please try again.")
        return Screen(t("Sign in"), (sentence,), link=("sign-in", t("Sign in"))).response(language, 400)


def _client(settings: Pages, transport: Any) -> Any:
    """Authlib's client of the provider."""
    try:
        from authlib.integrations.starlette_client import OAuth
    except ImportError as error:
        raise AmkpiError("OpenID Connect needs Authlib: install amkpi with the extra `oidc`") from error
    file = Path(settings.oidc_client_secret_file)
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AmkpiError(f"setting pages_oidc_client_secret_file: {file} cannot be read: {error}") from error
    options = {"scope": "openid email profile", "code_challenge_method": "S256", "timeout": 10.0}
    return OAuth().register(
        "pages",
        client_id=settings.oidc_client_id,
        client_secret=secret,
        server_metadata_url=f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs=options | ({"transport": transport} if transport is not None else {}),
    )


def _address(claims: dict[str, Any], claim: str) -> str:
    """The address that the provider vouches for. Raises AmkpiError for none, or one that it has not verified.

    Of `email` some providers let everybody write what they like, so it counts only as verified.
    """
    address = address_key(claims.get(claim)) if isinstance(claims.get(claim), str) else ""
    if not address:
        raise AmkpiError(f"the provider sent no claim {claim}: correct the setting pages_oidc_address_claim")
    if claim == "email" and claims.get("email_verified") is not True:
        raise AmkpiError("the provider has not verified the address (claim email_verified)")
    return address
