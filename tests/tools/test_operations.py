"""docs/operations names only what there is: commands, targets, settings, services, volumes, pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from amkpi.core.settings import NOT_SETTINGS, all_settings
from amkpi.exports.postgres.roles import GROUPS
from amkpi.interfaces.cli.main import app
from tests.paths import ROOT

FOLDER = ROOT / "docs" / "operations"
PAGES = sorted(FOLDER.rglob("*.md"))
RUNBOOKS = sorted((FOLDER / "runbooks").glob("*.md"))
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
PARTS = ("**What happened.**", "**What readers see meanwhile.**", "**What to do.**", "**How to see that it is over.**")


def named(pattern: str) -> set[tuple[str, str]]:
    """Every text that the group of the pattern matches in the pages, each with its page."""
    return {
        (match[1], page.name)
        for page in PAGES
        for match in re.finditer(pattern, page.read_text(encoding="utf-8"), re.M)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_page(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", page.read_text(encoding="utf-8"))
    for link in {one or other for one, other in links}:
        assert "://" in link or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_a_runbook_says_what_happened_what_readers_see_what_to_do_and_when_it_is_over(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    places = [text.find(part) for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)


def test_every_command_of_amkpi_is_there() -> None:
    commands = set(app.commands)
    found = named(r"(?:^|`|scheduler |\\\n {2,})amkpi ([a-z]+)\b")
    assert len(found) > 5
    assert [each for each in found if each[0] not in commands] == []


def test_every_target_of_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    found = named(r"(?:^|`|&& |COMPOSE_PROFILES=dev )make ([a-z-]+)")
    assert {"up", "down", "secrets", "logs"} <= {name for name, _ in found}
    assert [each for each in found if each[0] not in targets] == []


def test_every_setting_is_there() -> None:
    names = {f"AMKPI_{each.flat_name.upper()}" for each in all_settings()} | {each.variable for each in all_settings()}
    names |= {f"AMKPI_{name}" for name in NOT_SETTINGS}
    found = {each for each in named(r"\b(AMKPI_[A-Z_]+[A-Z])\b") if not each[0].startswith("AMKPI_SMTP")}
    assert len(found) > 3
    assert [each for each in found if each[0] not in names] == []


def test_every_service_and_volume_of_the_stack_is_there() -> None:
    variable = r"(?: -e \w+=\"[^\"]*\")?"
    verb = rf"(?:exec(?: -T)?{variable}|logs(?: --since \S+)?|run --rm(?: --no-deps)?{variable})"
    services = named(rf"docker compose {verb} ([a-z-]+)\b")
    assert len(services) > 5
    assert [each for each in services if each[0] not in COMPOSE["services"]] == []
    volumes = named(r"\bamkpi_([a-z]+)\b")
    roles = {name.removeprefix("amkpi_") for name in (*GROUPS, "amkpi_publisher")}
    in_airflow = {"warehouse", "marts", "landing", "housekeeping"}
    known = {*COMPOSE["volumes"], *COMPOSE["networks"], *roles, *in_airflow, "smtp"}
    assert [each for each in volumes if each[0] not in known] == []
