"""What a request says about itself: who sends it, in which language, and from where in the tree of addresses."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import parse_qs, quote

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse

from amkpi.core.language.translation import Language

# A page that a reader may be led back to. What is no such path is ignored, so that no link leads to another site.
_TARGET = re.compile(r"(vi|en)/[^\\/\x00-\x1f]+(/[^\\/\x00-\x1f]+)*")
_MOST_CHARACTERS = 500


def root_of(request: Request) -> str:
    """The relative way from a page to the first page of the server; it is right behind every proxy."""
    slashes = str(request.scope["path"]).count("/")
    return "../" * max(slashes - 1, 0)


def redirect(request: Request, target: str) -> RedirectResponse:
    """To another page of the server, given from its first page. The browser follows it with GET."""
    return RedirectResponse(f"{root_of(request)}{target}" or "./", 303)


def target_of(text: str) -> str:
    """The page to open after the sign-in; empty where the text is none."""
    is_one = len(text) <= _MOST_CHARACTERS and _TARGET.fullmatch(text)
    return text if is_one and ".." not in text.split("/") else ""


def quoted(target: str) -> str:
    """A page as a part of an address."""
    return quote(target, safe="/")


def language_of(request: Request, target: str, default: Language) -> Language:
    """The language of the page that was asked for, else the first one that the browser prefers and we have."""
    first = target.split("/")[0] or request.scope["path"].strip("/").split("/")[0]
    if first in ("vi", "en"):
        return "vi" if first == "vi" else "en"
    for part in request.headers.get("accept-language", "").lower().split(","):
        code = part.split(";")[0].strip()[:2]
        if code in ("vi", "en"):
            return "vi" if code == "vi" else "en"
    return default


def client_of(request: Request) -> str:
    """Who sends the request, as a network that one person has: an IPv6 client owns its whole /64.

    A server that listens on IPv6 alone sees an IPv4 client as `::ffff:192.0.2.1`: all of these share one /64.
    """
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; the first value of each. Empty for what no form of ours sends.

    Raises HTTPException for a body that was ended because it is too long.
    """
    try:
        body = (await request.body()).decode("utf-8", "replace")
    except ClientDisconnect as error:
        raise HTTPException(413) from error
    try:
        fields = parse_qs(body, keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}
