"""A reader with a browser: what it shows, and everything that goes wrong while it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urldefrag, urljoin

from amkpi.scorecards.page_paths import parse
from tests.pages.browser.server import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

Scheme = Literal["light", "dark"]
PHONE, DESK = (360, 740), (1280, 900)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SEVERE = {"serious", "critical"}
# Everything that axe knows of WCAG 2.2 A and AA, and its own good practice. `target-size` is off by itself.
_RULES = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}

_IN_ONE_LINE = """selector => {
  const boxes = [...(document.querySelector(selector)?.children ?? [])].map(e => e.getBoundingClientRect());
  return boxes.every(a => boxes.every(b => a.top < b.bottom && b.top < a.bottom));
}"""
# What a reader of a narrow screen cannot read: a page that scrolls sideways, and words that are cut off.
_CUT_OFF = """() => {
  const root = document.documentElement, faults = [];
  const name = e => e.tagName.toLowerCase() + (e.className?.baseVal === undefined && e.className
    ? '.' + e.className.split(/\\s+/).join('.') : '') + ' "' + (e.textContent || '').trim().slice(0, 30) + '"';
  const scrolls = e => { for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
    if (getComputedStyle(p).overflowX !== 'visible') return true; return false; };
  if (root.scrollWidth > root.clientWidth) {
    faults.push(`the page is ${root.scrollWidth} px wide on a screen of ${root.clientWidth}`);
    for (const e of document.body.querySelectorAll('*'))
      if (e.getBoundingClientRect().right > root.clientWidth + 1 && !scrolls(e))
        faults.push('too far right: ' + name(e));
  }
  for (const e of document.body.querySelectorAll('*')) {
    const style = getComputedStyle(e), box = e.getBoundingClientRect();
    if (box.width < 2 || style.clip !== 'auto' || style.clipPath !== 'none' || !e.checkVisibility()) continue;
    if (['hidden', 'clip'].includes(style.overflowX) && e.scrollWidth > e.clientWidth + 1
        && !e.closest('svg, input'))  // what is typed into a field scrolls in it
      faults.push('cut off: ' + name(e));
    const text = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (text && !e.closest('svg') && parseFloat(style.fontSize) < 11) faults.push(`${style.fontSize}: ` + name(e));
  }
  return faults.slice(0, 8);
}"""

# Where the keys are: null when they have left the page.
_FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body || e === document.documentElement) return null;
  const box = e.getBoundingClientRect();
  const ringed = (style) =>
    style.outlineStyle === 'auto' || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2);
  // The ring of a card goes around all of it.
  const around = [e, e.closest('article')].filter(Boolean);
  return {
    what: e.outerHTML.slice(0, 120), href: e.getAttribute('href') || '',
    ring: around.some(each => ringed(getComputedStyle(each))),
    shown: box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight && box.left < innerWidth,
    place: [...document.querySelectorAll('*')].indexOf(e),
  };
}"""
_REACHABLE = """() => { const all = [...document.querySelectorAll('*')];
  return all.filter(e => e.matches('a[href], button, input, select, summary') && !e.disabled && e.tabIndex >= 0
    && e.checkVisibility({visibilityProperty: true})).map(e => all.indexOf(e)); }"""


@cache
def _axe() -> Any:
    # It takes a second to import, with Playwright: not where the tests are only collected.
    from axe_playwright_python.sync_playwright import Axe

    return Axe()


class Visitor:
    """One browser context. faults: what no page may do: errors on the console, and requests to anybody else."""

    def __init__(self, context: BrowserContext, served: Served) -> None:
        self.context, self.served = context, served
        self.faults: list[str] = []
        self.page: Page = context.new_page()
        context.on("request", self._on_request)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.faults.append(f"{self.page.url}: {error.error}"))

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.served.url, "data:")):
            self.faults.append(f"{self.page.url} asks {request.url}")

    def _on_console(self, message: ConsoleMessage) -> None:
        # Also what the browser reports of the content security policy.
        if message.type in ("error", "warning"):
            self.faults.append(f"{self.page.url}: {message.type}: {message.text}")

    def open(self, address: str) -> Response:
        """Open an address of the server, which must answer with a page."""
        answer = self.page.goto(urljoin(self.served.url, address))
        assert answer is not None
        assert answer.status == 200, f"{address}: {answer.status}"
        return answer

    def sign_in(self, address: str, next_page: str = "") -> str:
        """Ask for a link, open it from the mail, and press its button; returns the link, which is used now."""
        before = len(self.served.mails(address))
        self.open(f"sign-in?next={next_page}")
        self.page.locator("#address").fill(address)
        self.page.locator("main button[type=submit]").click()
        link = self.served.next_link(address, before)
        self.open(link)
        self.page.locator("main button[type=submit]").click()
        self.page.wait_for_url(lambda url: url.endswith(".html"))
        return link

    def look(self, size: tuple[int, int], scheme: Scheme = "light") -> None:
        """Turn to another screen without loading the page again."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme=scheme)

    def cut_off(self) -> list[str]:
        """What cannot be read on this screen."""
        found: list[str] = self.page.evaluate(_CUT_OFF)
        return [f"{self.path} at {self._screen}: {each}" for each in found]

    def is_in_one_line(self, selector: str) -> bool:
        """Whether what is in an element stands side by side, where there is one."""
        found: bool = self.page.evaluate(_IN_ONE_LINE, selector)
        return found

    def severe_faults(self) -> list[str]:
        """What axe-core calls serious or critical, with the first place of each."""
        violations: list[dict[str, Any]] = _axe().run(self.page, options=_RULES).response["violations"]
        return [
            f"{self.path} at {self._screen}: {each['id']}, {len(each['nodes'])} times: {each['nodes'][0]['html'][:160]}"
            f" {each['nodes'][0]['failureSummary']}"
            for each in violations
            if each["impact"] in SEVERE
        ]

    def focused(self) -> dict[str, Any] | None:
        """Where the keys are: what it is, whether it and its ring are seen, and its place in the page."""
        found: dict[str, Any] | None = self.page.evaluate(_FOCUSED)
        return found

    def reachable(self) -> list[int]:
        """The places in the page of everything that keys must reach."""
        found: list[int] = self.page.evaluate(_REACHABLE)
        return found

    @property
    def path(self) -> str:
        """The page's path below the server."""
        return self.page.url.removeprefix(self.served.url)

    @property
    def _screen(self) -> str:
        size = self.page.viewport_size
        dark = self.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        return f"{size['width'] if size else '?'} px, {'dark' if dark else 'light'}"

    def links(self) -> list[str]:
        """Where the page leads on the same server, without fragments."""
        found: list[str] = self.page.eval_on_selector_all("a[href]", "all => all.map(each => each.href)")
        return list(dict.fromkeys(urldefrag(each)[0] for each in found if each.startswith(self.served.url)))

    def walk(self, language: str) -> Iterator[str]:
        """Follow links from the first page, to pages of each kind, scope and grain, and to one of each KPI.

        The pages of two months differ in their figures alone. Yields each path while the page is open.
        """
        waiting, seen = [f"{language}/index.html"], set()
        while waiting:
            path = waiting.pop(0)
            shapes = _shapes(path, language)
            if shapes <= seen:
                continue
            seen |= shapes
            self.open(path)
            yield self.path
            waiting += [each.removeprefix(self.served.url) for each in self.links()]


def _shapes(path: str, language: str) -> set[tuple[str, ...]]:
    """What a page looks like; nothing for what is no page of the language: a file, or the end of the session."""
    found = parse(path)
    if found is None or found.is_csv or found.language != language:
        return set()
    shapes = {(found.kind, found.scope, found.period.grain if found.period else "")}
    return shapes | {(found.kpi,)} if found.kpi else shapes


@contextmanager
def visiting(browser: Browser, served: Served, **options: Any) -> Iterator[Visitor]:
    """A visitor who has not signed in; nothing may have gone wrong by the end of the block."""
    # Without motion: a page that still scrolls shows nothing where the keys are.
    screen = {"width": DESK[0], "height": DESK[1]}
    context = browser.new_context(viewport=screen, reduced_motion="reduce", **options)
    # Milliseconds: a machine that does other things too must not fail a test.
    context.set_default_timeout(120_000)
    try:
        visitor = Visitor(context, served)
        yield visitor
        assert not visitor.faults, visitor.faults
    finally:
        context.close()
