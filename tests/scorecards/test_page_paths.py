"""Addresses of pages: safe, unambiguous, and read back to the same page."""

from __future__ import annotations

import re
from itertools import product
from random import Random

import pytest

from amkpi.core.catalogue import kpis
from amkpi.core.language.periods import Period
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.page_paths import PagePath, key_of, parse

ODD = [
    "NV1", "nv1", "NV/1", "NV.1", "NV 1", "../../etc/passwd", "Đặng", "Dang", "đặng", "", "con", "日本", "a" * 300,
    "\x00", "\ud800",
]  # fmt: skip


def test_no_two_ids_share_a_key() -> None:
    keys = [key_of(identity) for identity in ODD]
    assert len(set(keys)) == len(ODD)


@pytest.mark.parametrize("identity", ODD)
def test_a_key_is_a_file_name_on_every_system(identity: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", key_of(identity))


def test_every_path_is_read_back_to_the_same_page() -> None:
    periods = [Period.parse("month", "2026-09"), Period.parse("quarter", "2026-Q3"), Period.parse("year", "2026"),
               Period.parse("trailing_12m", "2026-09")]  # fmt: skip
    members = [ScopeMember("company", None), *(ScopeMember(scope, ODD[2]) for scope in ("own", "team"))]
    pages = [PagePath("vi", kind) for kind in ("home", "clients", "changes", "data")]  # type: ignore[arg-type]
    pages.append(PagePath("en", "client", key=key_of("K/1")))
    for member, period in product(members, periods):
        pages.append(PagePath.of_member("en", member, period))
        pages += [PagePath.of_kpi("vi", kpi.name, member, period) for kpi in kpis()]
    assert [parse(str(page)) for page in pages] == pages
    assert len({str(page).lower() for page in pages}) == len(pages)


@pytest.mark.parametrize(
    "path",
    ["", "vi", "vi/", "/vi/index.html", "de/index.html", "vi/../en/index.html", "vi/overview/2026-13.html",
     "vi/overview/2026-Q3.html", "vi/overview/0000.html", "vi/kpi/nothing/own/a/2026.html", "vi/person/a/2026-09.htm",
     "vi/client/a.html/", "assets/../index.html", "vi/kpi/client_revenue/own/a/2026.html.html"],
)  # fmt: skip
def test_what_is_no_path_names_no_page(path: str) -> None:
    assert parse(path) is None


def test_links_lead_from_any_page_to_any_other() -> None:
    here = PagePath("vi", "client", key="a")
    assert here.to(PagePath("vi", "home")) == "../../vi/index.html"
    assert PagePath("en", "data").to("assets/pages.css") == "../assets/pages.css"


def test_random_paths_raise_nothing() -> None:
    draw = Random(5)
    parts = [
        "vi",
        "en",
        "kpi",
        "client_revenue",
        "own",
        "2026",
        "2026.html",
        "t12m-2026-09.html",
        "..",
        "",
        "%00",
        "x.csv",
    ]
    for _ in range(3000):
        path = "/".join(draw.choice(parts) for _ in range(draw.randint(0, 7)))
        found = parse(path)
        assert found is None or str(found) == path
