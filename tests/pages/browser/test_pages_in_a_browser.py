"""The pages as three readers see them: at a desk and on a phone, light and dark, with keys alone, without scripts."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import duckdb
import pytest
from pypdf import PdfReader

from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.prepare import prepare
from amkpi.scorecards.model import Scorecard
from amkpi.scorecards.render.html import html
from tests.pages.browser.server import AS_OF, Served
from tests.pages.browser.visitor import DESK, PHONE, SCHEMES, Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A browser, a server and a built agency: 30 s for the first test of the file.
pytestmark = pytest.mark.slow

READERS = ("company", "team lead", "account executive")
LANGUAGES = ("vi", "en")
SignedIn = Callable[..., AbstractContextManager[Visitor]]


def everywhere(visitor: Visitor) -> list[str]:
    """Faults of the open page on both screens, light and dark."""
    faults = []
    for size in (DESK, PHONE):
        for scheme in SCHEMES:
            visitor.look(size, scheme)
            faults += visitor.severe_faults()
        faults += visitor.cut_off()
    return faults


def without_marks(name: str) -> str:
    """A name as somebody types it in a hurry: `Đèn Lửa` as `den lua`."""
    letters = unicodedata.normalize("NFD", name.replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).lower()


def test_a_link_by_mail_signs_in_once_and_leads_to_the_page_that_was_asked_for(
    browser: Browser, served: Served
) -> None:
    address = served.readers["account executive"]
    with visiting(browser, served) as visitor:
        visitor.open("vi/index.html")
        assert visitor.path.startswith("sign-in")
        assert everywhere(visitor) == []
        link = visitor.sign_in(address, "en/changes.html")
        assert visitor.path == "en/changes.html"
    with visiting(browser, served) as stranger:
        answer = stranger.page.goto(link)
        assert answer is not None
        assert answer.status == 400
        assert stranger.page.locator("button").count() == 0
        stranger.faults = [each for each in stranger.faults if "status of 400" not in each]
        stranger.open("vi/index.html")
        assert stranger.path.startswith("sign-in")


@pytest.mark.parametrize("reader", READERS)
def test_every_kind_of_page_can_be_read_on_a_phone_and_at_a_desk_in_both_languages(
    signed_in: SignedIn, reader: str
) -> None:
    faults, seen = [], dict.fromkeys(LANGUAGES, 0)
    with signed_in(reader) as visitor:
        for language in LANGUAGES:
            for _path in visitor.walk(language):
                seen[language] += 1
                for size in (DESK, PHONE):
                    visitor.look(size)
                    faults += visitor.cut_off()
                assert visitor.is_in_one_line(".steps"), f"{_path}: the periods before and after"
                assert visitor.page.locator("html").get_attribute("lang") == language
                assert visitor.page.locator("h1").count() == 1
    assert faults == []
    # 8 KPIs, 4 kinds of periods, clients and changes.
    assert seen["vi"] == seen["en"] > 12


def test_axe_finds_no_serious_fault_on_any_kind_of_page_in_light_and_dark(signed_in: SignedIn) -> None:
    faults, seen = [], set()
    with signed_in("company") as visitor:
        for path in visitor.walk("vi"):
            kind = path.split("/")[1]
            if kind not in seen:
                seen.add(kind)
                faults += everywhere(visitor)
        visitor.open("en/index.html")
        for size, scheme in zip((DESK, PHONE), SCHEMES, strict=True):
            visitor.look(size, scheme)
            faults += visitor.severe_faults()
    assert faults == []
    assert {"index.html", "person", "team", "kpi", "client", "changes.html", "data.html"} <= seen


def test_the_tables_of_changes_have_rows_that_every_reader_can_read(signed_in: SignedIn) -> None:
    """The tests above see them, too: they walk over every kind of page."""
    for reader in READERS:
        with signed_in(reader) as visitor:
            visitor.open("vi/changes.html")
            tables = visitor.page.locator("main table")
            # Somebody without a rating in the closed month has no score that could be another.
            assert tables.count() >= 3
            for table in tables.all():
                assert table.locator("tbody tr").count() > 0


def test_keys_alone_reach_everything_in_reading_order_and_show_where_they_are(signed_in: SignedIn) -> None:
    with signed_in("account executive") as visitor:
        visitor.open("vi/index.html")
        keyboard = visitor.page.keyboard
        keyboard.press("Tab")
        first = visitor.focused()
        assert first is not None
        assert first["href"].startswith("#"), "the first key press reaches no link to the content"
        assert first["shown"], first
        keyboard.press("Enter")
        assert visitor.page.evaluate("document.activeElement.closest('main') !== null")

        visitor.open("vi/index.html")
        places, hidden = [], []
        for _ in range(visitor.page.locator("a, button, input, select, summary").count() + 5):
            keyboard.press("Tab")
            focused = visitor.focused()
            if focused is None:
                break
            places.append(focused["place"])
            if not (focused["ring"] and focused["shown"]):
                hidden.append(focused)
        assert hidden == []
        assert places == sorted(set(places)), "the keys do not follow the order of the page"
        assert set(visitor.reachable()) <= set(places)


def test_menus_open_and_close_with_keys(signed_in: SignedIn) -> None:
    with signed_in("account executive") as visitor:
        visitor.open("vi/index.html")
        for menu in visitor.page.locator("summary:visible").all():
            menu.focus()
            visitor.page.keyboard.press("Enter")
            assert menu.locator("xpath=..").get_attribute("open") is not None
            visitor.page.keyboard.press("Enter")
            assert menu.locator("xpath=..").get_attribute("open") is None


def test_scripts_sort_a_table_and_find_names_without_their_marks_on_a_phone_too(signed_in: SignedIn) -> None:
    with signed_in("company") as visitor:
        visitor.open("vi/clients.html")
        rows = visitor.page.locator("main tbody tr")
        clients = rows.locator(":scope > :first-child a")
        names = clients.all_inner_texts()
        assert len(set(names)) > 10
        heading = visitor.page.locator("main thead button").first
        heading.press("Enter")
        ascending = clients.all_inner_texts()
        heading.press("Enter")
        assert ascending == clients.all_inner_texts()[::-1]
        assert visitor.page.locator("th[aria-sort=descending]").count() == 1

        visitor.look(PHONE)
        marked = max(names, key=lambda name: sum(letter > "z" for letter in name))
        visitor.page.get_by_role("searchbox").fill(without_marks(marked))
        visible = visitor.page.locator("main tbody tr:visible")
        assert marked in visible.locator(":scope > :first-child a").all_inner_texts()
        assert visible.count() < len(names)
        assert visitor.page.get_by_role("status").inner_text() != ""
        assert visitor.cut_off() == []


def test_without_scripts_a_reader_signs_in_and_reads_every_row(
    browser: Browser, served: Served, signed_in: SignedIn
) -> None:
    with visiting(browser, served, java_script_enabled=False) as plain, signed_in("team lead") as scripted:
        plain.sign_in(served.readers["team lead"], "vi/index.html")
        seen = set()
        for path in plain.walk("vi"):
            kind = path.split("/")[1]
            if kind in seen:
                continue
            seen.add(kind)
            assert plain.cut_off() == []
            # What only a script can do is not offered.
            assert plain.page.locator("main button:visible, main input:visible").count() == 0
            scripted.open(path)
            rows = "main tbody tr:visible"
            assert plain.page.locator(rows).count() >= scripted.page.locator(rows).count()
    assert len(seen) >= 5


def test_paper_has_the_figures_on_a_white_ground_and_no_menus(signed_in: SignedIn) -> None:
    with signed_in("account executive", color_scheme="dark") as visitor:
        for path in visitor.walk("vi"):
            if path.split("/")[1] in ("person", "kpi"):
                break
        visitor.page.emulate_media(media="print")
        assert visitor.page.evaluate("getComputedStyle(document.body).backgroundColor") in (
            "rgb(255, 255, 255)", "rgba(0, 0, 0, 0)",
        )  # fmt: skip
        assert visitor.page.locator("nav:visible").count() == 0
        paper = PdfReader(io.BytesIO(visitor.page.pdf(format="A4")))
        text = " ".join(page.extract_text() for page in paper.pages)
        assert visitor.page.locator("h1").inner_text().split()[0] in text
        assert len(paper.pages) < 6


def test_the_mail_of_the_company_fits_a_phone_whose_letters_are_wide(browser: Browser, served: Served) -> None:
    page = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]})
    page.set_content(html(_card(Home.at(served.home), served.readers["company"])))
    # Debian's widest: a phone without the fonts of the mail may have one like it.
    page.add_style_tag(content="* { font-family: 'DejaVu Sans', Verdana !important }")
    assert page.locator("table.mx").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    page.close()


def _card(home: Home, address: str) -> Scorecard:
    with duckdb.connect(str(home.current), read_only=True) as connection:
        ((staff_id,),) = connection.execute(
            "select staff_id from marts.dim_staff where email = ?", [address]
        ).fetchall()
    (card,) = prepare(Run(home, load_settings(home, {}), AS_OF), "month", "2026-09", (staff_id,), Options()).cards
    return card
