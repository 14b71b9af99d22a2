"""`amkpi serve` on a published agency, with a mail server for its sign-in links."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import duckdb
from aiosmtpd.controller import Controller

from amkpi.sample_agency import write_sample
from tests.command_line import amkpi, variables
from tests.scorecards.mail.test_delivery import Postbox, free_port

AS_OF = date(2026, 10, 17)
MONTHS = 5
AMKPI = Path(sys.executable).with_name("amkpi")
# Seconds. Python and its imports take 2 of them on a machine with nothing else to do.
MOST_TO_START = 60
# The one who asks is this machine: no proxy of the environment may stand between.
_direct = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Served:
    """A running server. readers: the mail address of one reader of each kind."""

    url: str
    home: Path
    postbox: Postbox
    readers: dict[str, str]

    def mails(self, address: str) -> list[bytes]:
        """All mails to an address, the newest last."""
        return [content for to, content in list(self.postbox.taken) if to == address]

    def next_link(self, address: str, before: int) -> str:
        """The sign-in link of the mail that follows so many mails; it comes a moment after it was asked for."""
        ends = time.monotonic() + MOST_TO_START
        while len(self.mails(address)) <= before:
            assert time.monotonic() < ends, f"no mail came to {address}"
            time.sleep(0.05)
        body = message_from_bytes(self.mails(address)[before], policy=default).get_body(("plain",))
        found = re.search(rf"{re.escape(self.url)}\S+", body.get_content() if body else "")
        assert found, f"the mail to {address} has no link to {self.url}"
        return found[0]


def publish_sample(home: Path) -> None:
    """A small sample agency with a running month, published."""
    write_sample(home / "landing", months=MONTHS, scale=0.5, as_of=AS_OF)
    ended = amkpi(home, "run", "--as-of", AS_OF.isoformat())
    assert ended.code == 0, ended.stdout + ended.stderr
    add_closings(home)


# What a longer history has: a closed month, what was learned of it since, and mails that say otherwise.
CLOSED = """
    set search_path = 'marts';
    insert into closings by name
        select 1 as n, 'month' as period_grain, date '2026-08-01' as period_start, date '2026-08-31' as period_end,
            timestamptz '2026-09-10 09:00:00+07' as closed_at, 'Nguyễn Thị Hoa <kế toán>' as closed_by,
            date '2026-09-09' as as_of;
    insert into closings by name
        select 2 as n, 'month' as period_grain, date '2026-07-01' as period_start, date '2026-07-31' as period_end,
            timestamptz '2026-09-11 09:00:00+07' as closed_at, repeat('dài', 60) as closed_by,
            date '2026-09-10' as as_of, timestamptz '2026-09-12 09:00:00+07' as reopened_at, 'Bình' as reopened_by;
    insert into adjustments by name
        select kpi, scope, staff_id, period_grain, period_start, numerator / 3 as numerator,
            denominator / 4 as denominator, 1 as sample_size, value as fresh_value,
            'late_rows,corrected_rows' as cause, if(scope = 'own', date '2026-09-01', null) as carried_to
        from kpi_values where period_grain = 'month' and period_start = date '2026-08-01' and value > 0
            and kpi in ('client_revenue', 'client_retention_rate');
    insert into adjusted_scores by name
        select scope, staff_id, period_grain, period_start, weighted_score as closed_score, rating as closed_rating,
            weighted_score - 7 as fresh_score, 'D' as fresh_rating, 'targets_changed' as cause
        from scorecards where period_grain = 'month' and period_start = date '2026-08-01' and rating is not null;
    insert into restatements by name
        select scope, staff_id, kpi, period_grain, period_start, 'value' as what, value * 0.9 as value_then,
            value as value_now, 'released_rows' as cause, timestamptz '2026-10-05 07:00:00+07' as mailed_at
        from kpi_values where period_grain = 'month' and period_start = date '2026-09-01' and value is not null
            and kpi in ('client_revenue', 'client_retention_rate');
"""


def add_closings(home: Path) -> None:
    """Fill the tables of closings and restatements, which a new agency has empty."""
    file = (home / "published" / "current.duckdb").resolve()
    file.chmod(0o600)
    with duckdb.connect(str(file)) as connection:
        connection.execute(CLOSED)


def three_readers(file: Path) -> dict[str, str]:
    """Addresses: one who sees the company, one who leads a team of some people, and one who leads nobody."""
    with duckdb.connect(str(file), read_only=True) as connection:
        (company,) = connection.execute(
            "select email from marts.dim_staff where role = 'group_account_director' and is_active limit 1"
        ).fetchall()[0]
        leader, lead = connection.execute(
            "select staff_id, email from marts.dim_staff as leader where role = 'account_director' and is_active"
            " order by (select count(*) from marts.dim_staff where manager_id = leader.staff_id) desc, staff_id limit 1"
        ).fetchall()[0]
        (executive,) = connection.execute(
            "select email from marts.dim_staff as person join marts.scorecards using (staff_id)"
            " where role = 'account_executive' and is_active and scope = 'own'"
            " group by staff_id, email order by count(rating) desc, staff_id limit 1"
        ).fetchall()[0]
    assert leader
    return {"company": company, "team lead": lead, "account executive": executive}


@contextmanager
def serving(home: Path) -> Iterator[Served]:
    """Run `amkpi serve` on a free port until the end of the block."""
    readers = three_readers(home / "published" / "current.duckdb")
    postbox = Postbox()
    mail = Controller(postbox, hostname="127.0.0.1", port=free_port())
    mail.start()
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    environment = variables(home, AIRFLOW_CONN_AMKPI_SMTP=f"smtp://127.0.0.1:{mail.port}/?security=none",
                            AMKPI_PAGES_URL=url, AMKPI_PAGES_OPERATORS=readers["company"],
                            AMKPI_MAIL_FROM="KPI <kpi@agency.example>")  # fmt: skip
    log = home / "serve.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [AMKPI, "serve", "--port", str(port)], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(f"{url}healthz", process, log)
        yield Served(url, home, postbox, readers)
    finally:
        process.terminate()
        process.wait(30)
        mail.stop()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + MOST_TO_START
    while time.monotonic() < ends:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            with _direct.open(url, timeout=5) as answer:
                assert answer.status == 200
                return
        except URLError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer in {MOST_TO_START} s: {log.read_text(encoding='utf-8')}")
