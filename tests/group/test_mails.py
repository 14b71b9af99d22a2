"""The group's scorecards: the figures are those of the marts, and what is missing is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from amkpi.core.agencies import Reader
from amkpi.core.catalogue import kpis
from amkpi.core.errors import AmkpiError
from amkpi.core.language.periods import Period
from amkpi.group.mail.compose import MOST_AGENCIES, compose
from amkpi.group.mail.facts import AgencyState, GroupFacts, Score
from amkpi.group.mail.outbox import message, write_to_outbox
from amkpi.scorecards.facts import KpiValue, ScorecardLine
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.render.html import MOST_HTML_BYTES
from tests.command_line import amkpi
from tests.group.conftest import Group

VALUE = KpiValue(0.5, 1.0, 2.0, 2, False, None, 0)
HIDDEN = KpiValue(None, None, None, 0, False, "not_across_agencies", 0)
EN = Reader("an@saomai.vn", "en")


def parts(content: bytes) -> tuple[EmailMessage, str, str]:
    """The mail, its plain text and its HTML."""
    mail = message_from_bytes(content, policy=default)
    assert isinstance(mail, EmailMessage)
    found = [mail.get_body((kind,)) for kind in ("plain", "html")]
    text, html = (str(part.get_content()).replace("\r\n", "\n") for part in found if part is not None)
    return mail, text, html


def facts(count: int, **changes: object) -> GroupFacts:
    """A group whose agencies have the same values; the first has the lowest score."""
    states = tuple(AgencyState(f"a{n:03}", f"Agency {n:03}", "North", False, False) for n in range(count))
    places = [("agency", state.code) for state in states]
    values = {(place, kpi.name): VALUE for place in [*places, ("region", "North")] for kpi in kpis()}
    values |= {(("group", None), kpi.name): HIDDEN if kpi.private else VALUE for kpi in kpis()}
    made = GroupFacts(
        "0f" * 8, "Sao Mai", "VND", date(2026, 10, 1), datetime(2026, 10, 2, tzinfo=UTC),
        Period.parse("quarter", "2026-Q3"), states, values, {},
        {place: Score(float(number), "D") for number, place in enumerate(places)}, "0.2.0",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_mails_show_what_the_marts_have(group: Group, tmp_path: Path) -> None:
    files = write_to_outbox(group.agencies, tmp_path, "quarter", "2026-Q3")
    assert [file.name for file in files] == [
        "group_quarter_2026-Q3_minh@saomai.vn.eml",
        "group_quarter_2026-Q3_an@saomai.vn.eml",
    ]
    where = "where period_grain = 'quarter' and period_start = '2026-07-01'"
    values = {
        row["kpi"]: row
        for row in group.rows(f"from group_kpi_values {where} and level = 'group' and value is not null")
    }
    (card,) = group.rows(f"from group_scorecards {where} and level = 'group'")
    vietnamese, english = (parts(file.read_bytes()) for file in files)
    assert english[0]["To"] == "an@saomai.vn"
    assert (
        english[0]["Subject"]
        == f"Q3/2026 · Sao Mai Group: {card['weighted_score']:.1f} ({card['rating']}), 1 agency is missing"
    )
    assert vietnamese[0]["Subject"].startswith("Q3/2026 · Sao Mai Group: ")
    for kpi in kpis():
        if kpi.name in values and kpi.unit == "ratio":
            row = values[kpi.name]
            assert f"* {kpi.label['en']}: {100 * row['value']:.1f}%" in english[1]
            assert f"* {kpi.label['vi']}: {100 * row['value']:.1f}%".replace(".", ",") in vietnamese[1]
    assert "* Internal collaboration: –\n  Within one agency only" in english[1]
    assert "( )" not in english[1], "an empty score"
    for text in english[1:]:
        assert "1 agency has no publication, and nothing of it is counted: Saigon" in text
        assert "The group's figures are as of 30/09/2026. 1 agency has later days" in text
    # The agencies are called `Hanoi <Ltd>`, …
    assert "Hanoi &lt;Ltd&gt;" in english[2]
    assert "<Ltd>" not in english[2]


@pytest.mark.slow
def test_the_same_publication_gives_the_same_bytes(group: Group, tmp_path: Path) -> None:
    first, second = (
        [file.read_bytes() for file in write_to_outbox(group.agencies, tmp_path / name, "month")] for name in "ab"
    )
    assert first == second


@pytest.mark.slow
def test_the_newest_period_that_is_over_is_taken(group: Group, tmp_path: Path) -> None:
    (file, _) = write_to_outbox(group.agencies, tmp_path, "month")
    assert "_month_2026-09_" in file.name
    with pytest.raises(AmkpiError, match="--period 2031-01: the group has no figures of it"):
        write_to_outbox(group.agencies, tmp_path, "month", "2031-01")


@pytest.mark.slow
def test_the_command_writes_into_the_folder_of_the_group(make_group: Callable[[], Group]) -> None:
    copy = make_group()
    done = amkpi(None, "group", "scorecards", "--agencies", str(copy.root / "agencies.toml"))
    assert done.code == 0, done.stderr
    assert len(list((copy.root / "group" / "outbox").glob("*.eml"))) == 2


def test_nobody_to_read_it_is_an_error_that_says_what_to_set(tmp_path: Path) -> None:
    file = tmp_path / "agencies.toml"
    file.write_text(
        '[group]\nname = "G"\nreporting_currency = "VND"\n[[agencies]]\ncode = "a"\nname = "A"\nhome = "a"\n'
    )
    done = amkpi(None, "group", "scorecards", "--agencies", str(file))
    assert done.code == 1
    assert "nobody gets the group's scorecards: set leadership in [group]" in " ".join(done.stderr.split())


def test_a_large_group_shows_the_lowest_scores_and_those_that_are_missing() -> None:
    states = list(facts(120).agencies)
    states[100] = replace(states[100], is_missing=True)
    card = compose(facts(120, agencies=tuple(states)), EN)
    shown = [row.staff_id for row in card.table.rows]
    assert len(shown) == MOST_AGENCIES
    assert shown == [f"a{n:03}" for n in range(MOST_AGENCIES - 1)] + ["a100"]
    assert "80 more agencies are in the mart group_kpi_values" in card.table.note
    _, _, html = parts(message(card, Options()))
    assert len(html.encode()) < MOST_HTML_BYTES


def test_a_kpi_better_than_before_and_its_target_are_said() -> None:
    revenue = next(kpi.name for kpi in kpis() if kpi.unit == "money")
    cost = next(kpi.name for kpi in kpis() if kpi.better == "lower")
    group = ("group", None)
    lines = {
        (group, revenue): ScorecardLine(2_000_000.0, 0.6, 40.0, 250_000.0, "off_target"),
        (group, cost): ScorecardLine(0.4, 0.75, 10.0, 0.025, "off_target"),
    }
    values = {**facts(2).values, (group, revenue): replace(VALUE, value=1_200_000.0)}
    card = compose(facts(2, lines=lines, values=values), EN)
    found = {line.label: line for line in card.lines}
    assert (found["Client revenue"].actual, found["Client revenue"].target) == ("1.20 m ₫", "2 m ₫")
    assert found["Client revenue"].movement == "better by 250,000 ₫"
    assert found["Project cost against budget"].movement == "worse by 2.5 pp"
    assert card.lead == (
        "0 of 2 KPIs with a target are on target.",
        "Against Q2/2026: 1 better, 1 worse.",
    )
    assert re.search(r"better by 250,000", parts(message(card, Options()))[1])


def test_an_agency_that_is_far_behind_is_named_with_its_date() -> None:
    states = list(facts(3).agencies)
    states[1] = replace(states[1], behind_since=date(2026, 6, 30))
    warnings = compose(facts(3, agencies=tuple(states)), EN).warnings
    assert warnings == ("1 agency is far behind, and what it recorded later is not counted: Agency 001 (30/06/2026).",)
