"""`amkpi forget`: what it asks for, what it prints, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import amkpi, failed
from tests.conftest import Agency

STAFF = "staff_id,valid_from,full_name,role,is_active\nNV1,2024-01-01,Trần Thị Lan,account_manager,true\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give either a STAFF_ID or --client ID"),
        (("NV1", "--client", "C1"), "give either a STAFF_ID or --client ID"),
        (("NV1", "--yes"), "say who does it, with --by NAME"),
        (("NV1", "--yes", "--by", " "), "say who does it, with --by NAME"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_missing(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = amkpi(tmp_path, "forget", *arguments)
    assert ended.code == 2
    assert said in ended.stderr


def test_nothing_changes_until_it_is_asked_for(tmp_path: Path) -> None:
    agency = Agency.at(tmp_path / "home")
    agency.load({"staff/a.csv": STAFF})
    home = agency.home.root
    assert "no staff member NV9 was ever delivered" in failed(amkpi(home, "forget", "NV9"), 1)
    dry = amkpi(home, "forget", "NV1")
    assert dry.code == 0
    assert "NV1 would be replaced by “Erased person NV1”" in dry.stdout
    assert "  archive: 1 file\n" in dry.stdout
    assert dry.stdout.endswith("Nothing was changed. To do it: --by NAME --yes\n")
    assert agency.rows("select full_name from raw.staff") == [("Trần Thị Lan",)]
    done = amkpi(home, "forget", "NV1", "--by", "An", "--yes")
    assert done.code == 0
    assert "NV1 replaced by “Erased person NV1”; now: amkpi run" in done.stdout
    assert "What this does not reach:\n  the system that delivers the name" in done.stdout
    assert agency.rows("select full_name from raw.staff") == [("Erased person NV1",)]
