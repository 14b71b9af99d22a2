"""The sample agency as it is, and with a fault for each expectation of the suite `agency`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core.findings import Finding
from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.runner import audit_warehouse
from amkpi.pipeline import steps
from amkpi.sample_agency import write_sample
from tests.changed_settings import changed
from tests.expectations.audits import silent

AS_OF = date(2026, 10, 17)
MOMENT = datetime(2026, 10, 17, 18, tzinfo=UTC)


@dataclass(frozen=True)
class Built:
    """A built agency: audits of its warehouse, and queries on it."""

    run: Run

    def audit(self, published: Path | None = None, **limits: Any) -> dict[str, Finding]:
        """The finding of each expectation, with these settings changed."""
        settings = changed(self.run.settings, **limits)
        context = AuditContext(AS_OF, MOMENT, published=published)
        found = audit_warehouse(self.run.home.warehouse, settings, context, silent)
        return {finding.expectation: finding for finding in found}

    def ask(self, sql: str) -> Any:
        """The single value that a query returns."""
        with duckdb.connect(str(self.run.home.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()[0][0]


def run_at(root: Path) -> Run:
    home = Home.at(root)
    home.make()
    return Run(home, load_settings(home, {"AMKPI_SETTLE_SECONDS": "0"}), AS_OF, now=lambda: MOMENT)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sample agency as `amkpi sample` writes it, published."""
    run = run_at(tmp_path_factory.mktemp("sample"))
    write_sample(run.home.landing, as_of=AS_OF)
    steps.load(run)
    steps.build(run)
    steps.audit(run)
    steps.publish(run)
    return Built(run)


@pytest.fixture(scope="session")
def faulty(sample: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The same agency after one more load that contains every fault."""
    run = run_at(tmp_path_factory.mktemp("faulty"))
    shutil.copytree(sample.run.home.root, run.home.root, dirs_exist_ok=True, symlinks=True)
    steps.load(run)  # LANDING is empty
    projects = [
        f"ZZ-P{number},KH001,ZZ-G,Không giá {number},2026-09-01,2026-09-30,2026-09-{10 + number % 20},VND"
        for number in range(40)
    ]
    files = {
        "clients": [
            "client_id,client_name,updated_at",
            "ZZ1,BAN LE SONG CUC MOC J.S.C.,2026-10-16T08:00:00+07:00",
            "ZZ2,Mai Vàng Châu Thổ,2027-10-16T08:00:00+07:00",
            "ZZ3,Gió Lành,",
        ],
        "client_assignments": [
            "client_id,valid_from,account_manager_id,valid_to",
            "ZZ1,2026-01-01,ZZ-G,2026-10-16",
            "ZZ2,2026-01-01,ZZ-G,2026-10-17",
            "ZZ3,2026-01-01,ZZ-L,",
        ],
        "staff": [
            "staff_id,valid_from,full_name,role,is_active",
            "ZZ-G,2024-01-01,Giang Thị Giỏi,account_manager,true",
            "ZZ-D,2024-01-01,Đỗ Thị Vẽ,designer,true",
            "ZZ-L,2024-01-01,Lý Đã Đi,account_manager,true",
            "ZZ-L,2026-03-01,Lý Đã Đi,account_manager,false",
        ],
        "contracts": [
            "contract_id,client_id,owner_id,kind,signed_date,start_date,end_date,amount,currency",
            # Owned by a designer; by somebody 92 days after they left; and 90 days after, which is still allowed.
            "ZZ-K1,KH001,ZZ-D,upsell,2026-09-02,2026-09-05,2026-12-31,1000000,VND",
            "ZZ-K2,KH001,ZZ-L,upsell,2026-05-31,2026-06-01,2026-12-31,1000000,VND",
            "ZZ-K3,KH001,ZZ-L,upsell,2026-05-29,2026-06-01,2026-12-31,1000000,VND",
            # In a currency whose rate is 36 days old, and 35 days old.
            "ZZ-K4,KH001,ZZ-G,upsell,2026-08-06,2026-08-06,2026-12-31,1000,GBP",
            "ZZ-K5,KH001,ZZ-G,upsell,2026-08-05,2026-08-05,2026-12-31,1000,GBP",
            # Ten times the median of the four others, and slightly less.
            *(f"ZZ-A{n},ZZ2,ZZ-G,upsell,2026-01-0{n},2026-01-05,2026-01-31,{n}0,EUR" for n in (1, 2, 3, 4)),
            "ZZ-A5,ZZ2,ZZ-G,upsell,2026-09-01,2026-09-05,2026-09-30,250,EUR",
            *(f"ZZ-B{n},ZZ2,ZZ-G,upsell,2026-01-0{n},2026-01-05,2026-01-31,{n}0,JPY" for n in (1, 2, 3, 4)),
            "ZZ-B5,ZZ2,ZZ-G,upsell,2026-09-01,2026-09-05,2026-09-30,249,JPY",
            # Active clients: the first has no manager any more, and the manager of the second has left.
            "ZZ-M1,ZZ1,ZZ-G,new_business,2026-09-01,2026-09-01,2027-08-31,5000000,VND",
            "ZZ-M2,ZZ3,ZZ-G,new_business,2026-09-01,2026-09-01,2027-08-31,5000000,VND",
        ],
        "projects": [
            "project_id,client_id,owner_id,project_name,start_date,committed_due_date,delivered_date,currency",
            *projects,
        ],
        "fx_rates": ["currency,rate_date,rate", "GBP,2026-07-01,33000"],
    }
    for extract, lines in files.items():
        (run.home.landing / extract / "faults.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    later = replace(run, now=lambda: MOMENT)
    steps.load(later)
    steps.build(later)
    return Built(later)


@pytest.fixture(scope="session")
def findings(sample: Built, faulty: Built) -> dict[str, Finding]:
    """The findings of the faulty agency, compared with the publication of the sound one."""
    return faulty.audit(sample.run.home.current.resolve())
