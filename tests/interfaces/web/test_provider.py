"""Signing in by OpenID Connect, against a provider that follows the specification and one that does not."""

from __future__ import annotations

import base64
import hashlib
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from amkpi.core.errors import AmkpiError
from tests.interfaces.web.serving import PAGE, URL, Serving, Start

ISSUER = "https://login.example"
KEY = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"}, private=True)


class Provider:
    """The provider. claims, key, issuer: what its tokens have; a test changes them."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"email": "M@agency.example", "email_verified": True}
        self.key, self.issuer, self.named = KEY, ISSUER, ISSUER
        self.asked: dict[str, str] = {}
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.document),
                Route("/jwks", lambda request: JSONResponse({"keys": [KEY.as_dict(private=False)]})),
                Route("/token", self.token, methods=["POST"]),
            ]
        )

    @property
    def transport(self) -> httpx2.ASGITransport:
        return httpx2.ASGITransport(self.app)

    def document(self, request: Request) -> JSONResponse:
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        return JSONResponse(
            {"issuer": self.named, "id_token_signing_alg_values_supported": ["RS256"]}
            | {name: f"{ISSUER}/{place}" for name, place in places.items()}
        )

    async def token(self, request: Request) -> JSONResponse:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if form["code"] != "good" or challenge.decode() != self.asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "amkpi", "sub": "1", "iat": now, "exp": now + 60,
                  "nonce": self.asked["nonce"]} | self.claims  # fmt: skip
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": token})

    def go(self, client: TestClient, code: str = "good", **changes: str) -> httpx2.Response:
        """To the provider and back."""
        away = client.get("/sign-in-provider?next=vi%2Fperson%2FM.html")
        if away.status_code != 302:
            return away
        self.asked = {name: values[0] for name, values in parse_qs(urlsplit(away.headers["location"]).query).items()}
        assert self.asked["redirect_uri"] == f"{URL}/sign-in-provider-done"
        assert self.asked["code_challenge_method"] == "S256"
        return client.get("/sign-in-provider-done", params={"code": code, "state": self.asked["state"]} | changes)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "oidc"
    file.write_text("secret\n")
    return str(file)


@pytest.fixture
def serving(start: Start, provider: Provider, secret: str) -> Serving:
    return start(
        transport=provider.transport, oidc_issuer=ISSUER, oidc_client_id="amkpi", oidc_client_secret_file=secret
    )


def test_the_provider_signs_in_who_has_rights_by_a_verified_address(serving: Serving, provider: Provider) -> None:
    with serving.client() as client:
        assert "sign-in-provider?next=" in client.get("/sign-in?next=vi/index.html").text
        done = provider.go(client)
        assert (done.status_code, done.headers["location"]) == (303, "vi/person/M.html")
        assert client.get(f"/{PAGE}").text == "A: M of M 83.3%"


def test_where_a_provider_is_set_no_link_by_mail_signs_anybody_in(serving: Serving) -> None:
    with serving.client() as client:
        assert client.post("/sign-in", data={"address": "m@agency.example"}).status_code == 405
        assert client.get("/sign-in-link?token=x").status_code == 303
        assert not serving.postbox.taken


@pytest.mark.parametrize(
    "claims",
    [{"email_verified": False}, {"email_verified": None}, {"email_verified": "true"}, {"email": None}, {"email": ["m"]},
     {"email": "ｍ@agency.example"}, {"aud": "another"}, {"nonce": "another"}, {"exp": 1}],
)  # fmt: skip
def test_a_token_that_does_not_vouch_for_the_address_signs_nobody_in(
    serving: Serving, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims |= claims
    with serving.client() as client:
        assert provider.go(client).status_code == 400
        assert client.get(f"/{PAGE}").status_code == 303


def test_a_token_of_another_key_or_issuer_or_a_wrong_code_or_state_signs_nobody_in(
    serving: Serving, provider: Provider
) -> None:
    with serving.client() as client:
        assert provider.go(client, code="bad").status_code == 400
        assert provider.go(client, state="another").status_code == 400
        assert provider.go(client, error="access_denied").status_code == 400
        assert client.get("/sign-in-provider-done?code=good&state=x").status_code == 400, "nobody was sent there"
        provider.issuer = "https://evil.example"
        assert provider.go(client).status_code == 400
        provider.issuer, provider.key = ISSUER, RSAKey.generate_key(2048, {"kid": "1"}, private=True)
        assert provider.go(client).status_code == 400
        assert client.get(f"/{PAGE}").status_code == 303


def test_a_provider_that_calls_itself_otherwise_is_not_asked(serving: Serving, provider: Provider) -> None:
    provider.named = "https://other.example"
    with serving.client() as client:
        assert provider.go(client).status_code == 400


def test_an_account_without_rights_gets_no_session(serving: Serving, provider: Provider) -> None:
    provider.claims["email"] = "stranger@agency.example"
    with serving.client() as client:
        answer = provider.go(client)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, True)
        assert "amkpi_session" not in answer.headers["set-cookie"]


def test_another_claim_counts_where_the_setting_names_it(start: Start, provider: Provider, secret: str) -> None:
    provider.claims = {"upn": "m@agency.example", "email": "d@agency.example", "email_verified": True}
    serving = start(
        transport=provider.transport, oidc_issuer=ISSUER, oidc_client_id="amkpi", oidc_client_secret_file=secret,
        oidc_address_claim="upn",
    )  # fmt: skip
    with serving.client() as client:
        provider.go(client)
        assert client.get(f"/{PAGE}").text == "A: M of M 83.3%"


def test_a_secret_that_cannot_be_read_is_one_line(start: Start) -> None:
    with pytest.raises(AmkpiError, match="pages_oidc_client_secret_file"):
        start(oidc_issuer=ISSUER, oidc_client_id="amkpi", oidc_client_secret_file="/nowhere")
