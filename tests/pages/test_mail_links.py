"""The to-dos of a mail lead to the reader's pages, and no link of a mail is dead."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from amkpi.access.reader import reader_of
from amkpi.core.run import Run
from amkpi.pages.site import open_site
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.prepare import prepare
from amkpi.scorecards.page_paths import parse
from amkpi.scorecards.render.html import html
from amkpi.scorecards.render.jinja import rendered
from tests.pages.conftest import copy_with_addresses, some_periods
from tests.pages.reading import read

URL = "https://kpi.agency.example/"


@pytest.mark.slow
def test_every_link_of_every_mail_leads_to_a_page_of_its_reader_and_to_the_row_of_its_record(
    run: Run, tmp_path: Path
) -> None:
    copy = replace(run, home=copy_with_addresses(run, tmp_path / "home"))
    site = open_site(copy.home.current.resolve(), copy.settings, some_periods)
    cards = [card for grain, period in (("month", "2026-09"), ("quarter", "2026-Q3"))
             for card in prepare(copy, grain, period, (), Options(pages_url=URL)).cards]  # fmt: skip
    assert len(cards) > 8
    kinds: Counter[str] = Counter()
    for card in cards:
        reader = reader_of(site.names, card.recipient.staff_id, copy.settings)
        assert reader is not None
        plain = re.findall(re.escape(URL) + r"\S+", rendered("mail.txt.j2", card, escaped=False))
        links = {unescape(each) for each in re.findall(r'href="([^"]+)"', html(card))}
        assert {item.href for part in card.todos for item in part.items} <= links & set(plain)
        for link in links | set(plain):
            path, _, anchor = link.removeprefix(URL).partition("#")
            answer = site.page(reader, path)
            assert answer is not None, (card.recipient.staff_id, link)
            found = parse(path)
            assert found is not None
            kinds[f"{found.kind}{'#' if anchor else ''}"] += 1
            assert not anchor or anchor in read(answer.body).ids, (card.recipient.staff_id, link)
    site.close()
    assert set(kinds) == {"home", "kpi", "kpi#", "client", "person"}, kinds


def test_without_the_setting_no_mail_has_a_link(run: Run, tmp_path: Path) -> None:
    copy = replace(run, home=copy_with_addresses(run, tmp_path / "home"))
    cards = prepare(copy, "month", "2026-09", ("A01",), Options()).cards
    assert [re.findall(r"href", html(card)) for card in cards] == [[]]
