"""A group of small agencies on disk: one is built, and copied. Files with one client each say whose they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tests.paths import ROOT

AS_OF = "2026-10-17"
ZONES = ("Asia/Ho_Chi_Minh", "Europe/Paris", "America/New_York")


@dataclass(frozen=True)
class Group:
    """The group in a folder: agencies.toml, and a HOME for each code."""

    folder: Path
    codes: tuple[str, ...]

    @property
    def file(self) -> Path:
        """agencies.toml."""
        return self.folder / "agencies.toml"

    def home(self, code: str) -> Path:
        """The HOME of an agency."""
        return self.folder / code

    def client(self, code: str) -> str:
        """The client whom the file of this agency has, and no other."""
        return f"T-{code}"

    def drop(self, codes: tuple[str, ...]) -> None:
        """Drop one file for each of these agencies."""
        for code in codes:
            text = f"client_id,client_name,industry\n{self.client(code)},Công ty {code},retail\n"
            (self.home(code) / "landing" / "clients" / "drop.csv").write_text(text, encoding="utf-8")

    def shown(self, code: str) -> list[str]:
        """Our clients whom the readers of an agency see."""
        sql = "select client_id from marts.dim_client where client_id like 'T-%'"
        return [str(row[0]) for row in self._ask(code, sql)]

    def loads(self, code: str) -> list[str]:
        """What readers' ledger says of the dropped file."""
        sql = "select status || ':' || rows_loaded from marts.load_ledger where file_name like '%drop.csv'"
        return [str(row[0]) for row in self._ask(code, sql)]

    def _ask(self, code: str, sql: str) -> list[tuple[object, ...]]:
        current = self.home(code) / "published" / "current.duckdb"
        with duckdb.connect(str(current.resolve()), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def published(self) -> set[str]:
        """The agencies whose readers see another publication than the first one."""
        return {code for code in self.codes if self._is_new(code)}

    def _is_new(self, code: str) -> bool:
        name = (self.home(code) / "published" / "current.duckdb").readlink().name
        return name != (self.folder / "first-publication").read_text()


def make_group(folder: Path, count: int, queues: dict[int, str] | None = None) -> Group:
    """Build one small agency, and make a group of so many copies. queues: of the agency with that number, if any."""
    folder.mkdir(parents=True)
    template = folder / "template"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AMKPI_", "AIRFLOW"))}
    environment = {**clean, "AMKPI_HOME": str(template), "AMKPI_SETTLE_SECONDS": "0"}
    sample = ["sample", str(template / "landing"), "--months", "3", "--scale", "0.1", "--as-of", AS_OF]
    for arguments in (sample, ["run", "--as-of", AS_OF]):
        subprocess.run(
            [sys.executable, "-m", "amkpi.interfaces.cli.main", *arguments],
            cwd=ROOT, env=environment, check=True, capture_output=True,
        )  # fmt: skip
    codes = tuple(f"a{number:03d}" for number in range(count))
    lines = ["[group]", 'name = "Proof"', 'reporting_currency = "VND"']
    for number, code in enumerate(codes):
        shutil.copytree(template, folder / code, symlinks=True)
        (folder / code / "landing" / "clients").mkdir(parents=True, exist_ok=True)
        lines += ["[[agencies]]", f'code = "{code}"', f'name = "Agency {number}"', f'home = "{code}"']
        lines += [f'timezone = "{ZONES[number % len(ZONES)]}"']
        lines += [f'queue = "{queues[number]}"'] if queues and number in queues else []
    (folder / "agencies.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    first = (template / "published" / "current.duckdb").readlink().name
    (folder / "first-publication").write_text(first)
    return Group(folder, codes)
