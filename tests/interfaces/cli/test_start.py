"""`amkpi --version` and `--help` are quick: they import none of the heavy libraries."""

from __future__ import annotations

import json
import subprocess
import sys

from amkpi.interfaces.cli.main import app

# Each costs 0.1 to 10 s of CPU to import.
HEAVY = {
    *("airflow", "babel", "css_inline", "dbt", "duckdb", "great_expectations", "jinja2", "pandas", "PIL", "pyarrow"),
    *("pydantic", "pydantic_settings", "rich", "sqlalchemy", "typer", "typst", "yaml"),
}
# Python's own, click's and ours, in Python 3.11: 250. Importing asyncio alone adds 60.
MOST_MODULES = 300

CALLS = """
import json, sys
from amkpi.interfaces.cli.main import main
codes = [main(arguments) for arguments in json.loads(sys.argv[1])]
print(json.dumps([codes, sorted({name.split(".")[0] for name in sys.modules}), len(sys.modules)]))
"""


def test_version_and_every_help_import_nothing_heavy() -> None:
    calls = [["--version"], ["--help"], *([name, "--help"] for name in app.commands), ["sources", "check", "--help"]]
    done = subprocess.run(
        [sys.executable, "-c", CALLS, json.dumps(calls)], capture_output=True, text=True, check=True, timeout=60
    )
    codes, modules, count = json.loads(done.stdout.splitlines()[-1])
    assert codes == [0] * len(calls)
    assert HEAVY & set(modules) == set()
    assert count < MOST_MODULES
