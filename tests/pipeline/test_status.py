"""`amkpi status` lists every file that is not yet loaded, wherever it is."""

from __future__ import annotations

import json

import pytest

from amkpi.ingestion import archive, landing
from amkpi.pipeline.status import print_status_json, read_status, show_status
from tests.conftest import Agency

CLIENT = "client_id,client_name\nC,Trà\n"


def shown(agency: Agency, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The lines of the status by their first word."""
    show_status(read_status(agency.run))
    return {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}


def test_a_file_that_a_killed_run_had_claimed_is_counted_and_named_until_the_next_run_loads_it(
    agency: Agency, capsys: pytest.CaptureFixture[str]
) -> None:
    agency.deliver({"clients/a.csv": CLIENT, "clients/[b].csv": CLIENT, "clients/c.csv.part": CLIENT})
    (seen,) = [each for each in landing.waiting(agency.home.landing) if each.name == "clients/a.csv"]
    assert archive.claim(agency.home, seen, 1) is not None
    found = shown(agency, capsys)
    assert "1 file: clients/a.csv; by a run that is still working or was killed" in found["claimed"]
    assert found["waiting"].endswith(f"1 file in {agency.home.landing}: clients/[b].csv")
    assert agency.load().count("loaded") == 1
    found = shown(agency, capsys)
    assert "claimed" not in found
    assert found["waiting"].endswith(f"0 files in {agency.home.landing}")


def test_a_program_gets_the_same_as_json(agency: Agency, capsys: pytest.CaptureFixture[str]) -> None:
    agency.deliver({"clients/a.csv": CLIENT})
    print_status_json(read_status(agency.run))
    found = json.loads(capsys.readouterr().out)
    assert found["publication"] is None
    assert found["waiting"] == ["clients/a.csv"]
    assert (found["ever_received"], found["landing"]) == (False, str(agency.home.landing))
