"""dbt's own site of the models: one file that opens offline, built from a small sample agency.

It has the SQL and columns of every model. Its size is some megabytes, too large for the repository; the generated pages
describe what is public.
"""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.run import Run, silent
from amkpi.core.settings import load_settings
from amkpi.pipeline import steps
from amkpi.sample_agency import write_sample
from amkpi.transform import dbt_runner

AS_OF = date(2026, 9, 30)
# The page contains dbt's tracker, which would download its script if usage statistics were on (here they are off). This
# policy forbids the page every request.
_RULES = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline';"
_SEAL = f'<meta http-equiv="Content-Security-Policy" content="{_RULES} img-src data: blob:; font-src data:">'


def write_site(directory: Path) -> Path:
    """Build a small sample agency in a temporary HOME and write `index.html` of its dbt docs; returns its path.

    Raises AmkpiError when dbt cannot make the page.
    """
    with tempfile.TemporaryDirectory(prefix="amkpi-site-") as folder:
        home = Home.at(Path(folder))
        home.make()
        write_sample(home.landing, months=3, scale=0.05, as_of=AS_OF)
        run = Run(home, load_settings(home, {"AMKPI_SETTLE_SECONDS": "0"}), AS_OF)
        steps.load(run)
        steps.build(run)
        dbt_runner.run_dbt(home, run.settings, AS_OF, ["docs", "generate", "--static"], silent)
        page = home.dbt_target / "static_index.html"
        if not page.is_file():
            raise AmkpiError(f"dbt did not write {page.name}: see {home.dbt_target / 'dbt.log'}")
        directory.mkdir(parents=True, exist_ok=True)
        target = directory / "index.html"
        target.write_text(sealed(page.read_text(encoding="utf-8")), encoding="utf-8")
    return target


def sealed(page: str) -> str:
    """Return the page with a policy that forbids every request. Raises AmkpiError for a page without a head."""
    before, head, after = page.partition("<head>")
    if not head:
        raise AmkpiError("dbt's page has no <head>: its form has changed, adapt tools/docs/site.py")
    return f"{before}{head}{_SEAL}{after}"
