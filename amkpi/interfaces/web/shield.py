"""What every answer has and every request must have, around the whole application: headers, origin, access log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amkpi.interfaces.web.access_log import AccessLog, View

# No inline style or script, nothing from elsewhere, no frame. `form-action` would also stop a form that ends at the
# OpenID Connect provider, so its sign-in is a link.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`: browsers would send the origin of our own forms as `null`.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-robots-tag": "noindex, nofollow",
}
# Neither a proxy nor the disk of a shared computer keeps a page. What is public replaces it.
_NEVER_CACHED = "private, no-store"
_HSTS = "max-age=31536000"
# Of a request. The longest form has an address and a path.
MOST_BODY_BYTES = 8 * 1024
HEALTH = "/healthz"


class Shield:
    """An ASGI application around another one.

    A request that may change something must come from a page of ours: another site cannot sign a reader in or out. An
    answer is logged before it is sent: a page that cannot be logged is not shown.
    """

    def __init__(
        self, app: ASGIApp, log: AccessLog, now: Callable[[], datetime], address: str, is_logged: Callable[[str], bool]
    ) -> None:
        """address: of the pages as readers type it, or empty. is_logged: whether the views of a path are logged."""
        self._app, self._log, self._now, self._is_logged = app, log, now, is_logged
        parts = urlsplit(address)
        self._origin = f"{parts.scheme}://{parts.netloc}".lower() if address else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # What the routes find out about the request, for the log.
        scope["state"] = {**scope.get("state", {}), "who": "", "publication": ""}
        secure = scope["scheme"] == "https" or self._origin.startswith("https:")

        async def send_shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", _NEVER_CACHED)
                headers["vary"] = "Cookie"
                if secure:
                    headers["strict-transport-security"] = _HSTS
                self._write(scope, int(message["status"]))
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await refused(scope, receive, send_shielded)
        else:
            await self._app(scope, _limited(receive), send_shielded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        """The answer to a request that is refused without a look at what it asks for."""
        headers = Headers(scope=scope)
        if scope["method"] in ("GET", "HEAD"):
            return None
        if scope["method"] != "POST":
            return PlainTextResponse("method not allowed", 405, {"allow": "GET, HEAD, POST"})
        if not self._is_ours(scope, headers):
            return PlainTextResponse("this request does not come from these pages", 403)
        length = headers.get("content-length", "")
        if length and (not length.isascii() or not length.isdigit() or int(length) > MOST_BODY_BYTES):
            return PlainTextResponse("too much", 413)
        return None

    def _is_ours(self, scope: Scope, headers: Headers) -> bool:
        """Whether the browser says that a page of ours sent the request."""
        own = self._origin or f"{scope['scheme']}://{headers.get('host', '')}".lower()
        origin = headers.get("origin")
        if origin is not None:
            return origin.lower() == own
        return headers.get("sec-fetch-site") in ("same-origin", "none")

    def _write(self, scope: Scope, status: int) -> None:
        path, state = str(scope["path"]), scope["state"]
        # Who has not signed in sees nothing, and could fill the disk.
        if state["who"] and self._is_logged(path):
            view = View(self._now(), state["who"], scope["method"], path, status, state["publication"])
            self._log.write(view)


def _limited(receive: Receive) -> Receive:
    """The body of a request, which ends where it is too long: a client may leave out its length."""
    got = 0

    async def receive_limited() -> Message:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        return {"type": "http.disconnect"} if got > MOST_BODY_BYTES else message

    return receive_limited
