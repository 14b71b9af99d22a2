"""Every command killed at random moments, on a disk that is full, and with a clock that was set back.

The marts must equal those of a home in which nothing happened; every file is loaded once, every period closed once, and
nobody gets a mail twice. `make fuzz` runs it; -s shows the counts.
"""

from __future__ import annotations

import json
import random
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from aiosmtpd.controller import Controller

from amkpi.core.home import Home
from amkpi.core.storage import closing_register
from amkpi.ingestion import delivery_log
from amkpi.sample_agency import write_sample
from amkpi.scorecards.mail.history import History
from tests.command_line import variables
from tests.ingestion.test_faults import remount, small_disk
from tests.paths import ROOT

pytestmark = [pytest.mark.long, pytest.mark.slow]

AS_OF = date(2026, 10, 17)
BEGIN = datetime(2026, 10, 17, 20, 0, tzinfo=UTC)
# Six rounds of five commands: thirty moments, of which some come after the command has ended; the last run of this test
# killed 25. Each round closes the next month and mails it.
MONTHS = ("2026-04", "2026-05", "2026-06", "2026-07", "2026-08", "2026-09")
STEPS = ("load", "build", "publish", "close", "send")
SEED = 18
TABLES = (
    "kpi_values", "kpi_evidence", "scorecards", "scorecard_lines", "supporting_measures", "dim_staff", "dim_client",
    "contract_overview", "project_overview",
)  # fmt: skip


class Postbox:
    """A server that takes every mail: (address, subject)."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        text = envelope.content.decode("utf-8", "replace").replace("\r\n ", " ")
        subject = next(line for line in text.splitlines() if line.lower().startswith("subject:"))
        self.taken.append((envelope.rcpt_tos[0], subject))
        return "250 taken"


@dataclass
class Told:
    """How a command ended: -9 where it was killed."""

    code: int
    seconds: float
    said: str


@dataclass
class Agency:
    """A home, and the commands on it. The clock moves a minute with each."""

    home: Home
    amkpi: Callable[..., Told]
    postbox: Postbox
    port: int
    moment: datetime = BEGIN
    seconds: dict[tuple[int, str], float] = field(default_factory=dict)

    def run(self, *arguments: str, after: float | None = None) -> Told:
        self.moment += timedelta(minutes=1)
        return self.amkpi(self.home.root, self.port, self.moment, arguments, after)

    def well(self, *arguments: str) -> Told:
        """A command that must end well."""
        told = self.run(*arguments)
        assert told.code == 0, (arguments, told)
        return told

    def deliver(self, number: int) -> None:
        """The agency at first; then a contract of a closed month, a new client, and a file that nobody can read."""
        landing = self.home.landing
        if number == 0:
            write_sample(landing, seed=7, months=9, scale=0.1, as_of=AS_OF)
        (landing / "contracts" / f"r{number}.csv").write_text(
            "contract_id,client_id,kind,signed_date,start_date,end_date,amount,currency\n"
            f"R{number},KH001,upsell,2026-0{4 + number}-15,2026-0{4 + number}-15,2026-12-31,{number + 1}000000,VND\n"
        )
        (landing / "clients" / f"r{number}.csv").write_text(f"client_id,client_name\nKH9{number},Mới {number}\n")
        (landing / "clients" / f"bad{number}.csv").write_text(f"no,header {number}\n")

    def arguments(self, number: int, step: str) -> tuple[str, ...]:
        period = MONTHS[number]
        return {
            "close": ("close", period, "--by", "An"),
            "send": ("scorecards", "--send", "--grain", "month", "--period", period),
        }.get(step, (step,))

    def complete(self, number: int, step: str) -> None:
        """Give the command again, as a person does; what a killed one had done already is no error."""
        told = self.run(*self.arguments(number, step))
        if step == "close" and told.code == 1:
            # The killed one had closed the period; it may have been killed before it published that, or after it.
            if "is not published yet: run `amkpi run` first" in told.said:
                self.well("run")
                told = self.run(*self.arguments(number, step))
            assert "is closed already" in told.said, told
        elif step == "send" and told.code == 1 and "uncertain" in told.said:
            pass  # the mail that was under way: only a person may send it again
        else:
            assert told.code == 0, (number, step, told)

    def round(self, number: int, kill: Callable[[Agency, int, str], None]) -> None:
        """Deliver, then each command: at first as `kill` has it, then to its end."""
        self.deliver(number)
        for step in STEPS:
            if step == "publish":
                self.well("audit")
            kill(self, number, step)
            self.complete(number, step)

    def marts(self) -> dict[str, list[tuple[Any, ...]]]:
        with duckdb.connect(str(self.home.current.resolve()), read_only=True) as connection:
            found = {name: connection.execute(f"from marts.{name} order by all").fetchall() for name in TABLES}
            found["adjustments"] = connection.execute(
                "select * exclude (first_seen_at) from marts.adjustments order by all"
            ).fetchall()
        return found

    def files(self) -> Counter[tuple[str, str]]:
        """How often each file was delivered, with what became of it."""
        return Counter((each.file_name, each.status) for each in delivery_log.read(self.home.state))

    def check(self, calm: dict[str, list[tuple[Any, ...]]], files: Counter[tuple[str, str]]) -> None:
        """The marts are exact; nothing is lost, and nothing is there twice."""
        assert self.marts() == calm
        assert self.files() == files
        assert set(files.values()) == {1}
        left = [path for path in self.home.landing.rglob("*") if path.is_file()]
        assert left == []
        acts = closing_register.read(self.home).acts
        assert [act.period for act in acts] == [*MONTHS[: len(acts)]]
        assert max(Counter(self.postbox.taken).values()) == 1, "a mail came twice"

    def check_mails(self, periods: int) -> int:
        """Each recipient of each period has one mail, or is named as uncertain; returns how many are uncertain."""
        sendings = History(self.home.state).read()
        states = Counter(each.state for each in sendings)
        assert states.keys() <= {"sent", "uncertain"}
        assert len({each.period for each in sendings}) == periods
        certain = Counter(each.address for each in sendings if each.state == "sent")
        got = Counter(address for address, _ in self.postbox.taken)
        assert all(got[address] >= count for address, count in certain.items())
        return states["uncertain"]


@pytest.fixture(scope="module")
def commands() -> Iterator[Callable[..., Told]]:
    """Runs `amkpi` in a process that is forked from one that has imported everything."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.pipeline.dying_commands"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=variables(None),
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout

        def amkpi(home: Path, port: int, moment: datetime, arguments: tuple[str, ...], after: float | None) -> Told:
            environment = {
                "AMKPI_HOME": str(home), "AMKPI_AS_OF": str(AS_OF), "AMKPI_OPERATOR_EMAIL": "ops@agency.example",
                "AIRFLOW_CONN_AMKPI_SMTP": f"smtp://127.0.0.1:{port}/?security=none",
            }  # fmt: skip
            request = {
                "arguments": arguments, "environment": environment, "moment": moment.isoformat(), "after": after,
            }  # fmt: skip
            print(json.dumps(request), file=process.stdin, flush=True)
            return Told(**json.loads(process.stdout.readline()))

        yield amkpi
        process.stdin.close()


@contextmanager
def agency_in(root: Path, commands: Callable[..., Told]) -> Iterator[Agency]:
    """An empty agency with a mail server of its own."""
    postbox = Postbox()
    server = Controller(postbox, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        home = Home.at(root)
        home.make()
        yield Agency(home, commands, postbox, server.port)
    finally:
        server.stop()


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@dataclass
class Calm:
    """What a home gives in which nothing happens: after the first round, and after the last."""

    agency: Agency
    first: tuple[dict[str, list[tuple[Any, ...]]], Counter[tuple[str, str]]]
    last: tuple[dict[str, list[tuple[Any, ...]]], Counter[tuple[str, str]]]


@pytest.fixture(scope="module")
def calm(commands: Callable[..., Told], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calm]:
    def measure(agency: Agency, number: int, step: str) -> None:
        told = agency.well(*agency.arguments(number, step))
        agency.seconds[number, step] = told.seconds

    with agency_in(tmp_path_factory.mktemp("calm") / "home", commands) as agency:
        found = []
        for number in range(len(MONTHS)):
            agency.deliver(number)
            for step in STEPS:
                if step == "publish":
                    agency.well("audit")
                measure(agency, number, step)
            agency.well("run")
            found.append((agency.marts(), agency.files()))
        assert agency.check_mails(len(MONTHS)) == 0
        yield Calm(agency, found[0], found[-1])


def test_what_is_killed_at_thirty_random_moments_loses_nothing_and_does_nothing_twice(
    calm: Calm, commands: Callable[..., Told], tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    killed: Counter[str] = Counter()

    def kill(agency: Agency, number: int, step: str) -> None:
        after = chance.uniform(0, calm.agency.seconds[number, step])
        told = agency.run(*agency.arguments(number, step), after=after)
        assert told.code in (-9, 0), told
        killed[step] += told.code == -9

    with agency_in(tmp_path / "home", commands) as agency:
        for number in range(len(MONTHS)):
            agency.round(number, kill)
        agency.well("run")
        agency.check(*calm.last)
        uncertain = agency.check_mails(len(MONTHS))
        mails = len(calm.agency.postbox.taken), len(agency.postbox.taken)
        assert mails[0] - uncertain <= mails[1] - sum("ops@" in to for to, _ in agency.postbox.taken) <= mails[0]
    print(
        f"\nkilled: {dict(killed)} of {len(MONTHS)} each; files {sum(calm.last[1].values())}, each once; closings"
        f" {len(MONTHS)}; mails {mails[1]}, {uncertain} named as uncertain; rows of the marts"
        f" {sum(map(len, calm.last[0].values()))}, all equal"
    )
    assert sum(killed.values()) > 15


@pytest.mark.parametrize("room", [64, 1024, 4096], ids=lambda room: f"{room} KiB left")
def test_a_full_disk_in_every_step_loses_nothing_and_is_told_in_one_line(
    calm: Calm, commands: Callable[..., Told], tmp_path: Path, room: int
) -> None:
    refused: Counter[str] = Counter()
    with small_disk(tmp_path / "small", "800m") as disk, agency_in(disk / "home", commands) as agency:

        def fill(agency: Agency, number: int, step: str) -> None:
            used = subprocess.run(["du", "-sk", str(disk)], capture_output=True, text=True, check=True).stdout.split()
            remount(disk, f"size={int(used[0]) + room}k")
            told = agency.run(*agency.arguments(number, step))
            remount(disk, "size=800m")
            assert told.code in (0, 1, 3), (step, told)
            assert "Traceback" not in told.said, (step, told)
            refused[step] += told.code != 0

        agency.round(0, fill)
        agency.well("run")
        agency.check(*calm.first)
        uncertain = agency.check_mails(1)
    print(f"\n{room} KiB left: refused {dict(refused)}; then all equal; {uncertain} mails named as uncertain")
    assert refused


def test_a_clock_that_is_set_back_an_hour_between_the_steps_changes_no_mart(
    calm: Calm, commands: Callable[..., Told], tmp_path: Path
) -> None:
    def back(agency: Agency, number: int, step: str) -> None:
        told = agency.run(*agency.arguments(number, step))
        assert told.code == 0, (step, told)
        agency.moment -= timedelta(hours=1)

    with agency_in(tmp_path / "home", commands) as agency:
        agency.deliver(0)
        for step in STEPS:
            if step == "publish":
                agency.well("audit")
            back(agency, 0, step)
        agency.well("run")
        agency.well(*agency.arguments(0, "send"))
        agency.check(*calm.first)
        assert agency.check_mails(1) == 0
        shutil.rmtree(agency.home.root)
