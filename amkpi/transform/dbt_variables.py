"""The dbt variables of a run: its date, its settings, and the KPIs of the catalogue.

For dbt by hand: `dbt build --vars "$(python -m amkpi.transform.dbt_variables 2026-10-17)"`, with the settings of
AMKPI_HOME or the current folder.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import date
from pathlib import Path
from typing import Any

from amkpi.core.catalogue import kpis
from amkpi.core.home import Home
from amkpi.core.settings import Settings, load_settings


def dbt_variables(settings: Settings, as_of: date) -> dict[str, Any]:
    """The dbt variables of a run. Raises AmkpiError where the catalogue of KPIs is not sound."""
    return {"as_of": as_of.isoformat(), "kpis": catalogue_variable(), **settings.kpi.model_dump(mode="json")}


def profile_variables(home: Home, settings: Settings) -> dict[str, str]:
    """The dbt variables that profiles.yml reads: the warehouse file, and the memory that DuckDB may use."""
    return {"warehouse_file": str(home.warehouse), "memory_limit": settings.storage.memory_limit}


def catalogue_variable() -> list[dict[str, Any]]:
    """What dbt must know of each KPI while it parses the project; the rest is in its graph."""
    return [kpi.model_dump(mode="json", include={"name", "timing", "aggregation", "private"}) for kpi in kpis()]


if __name__ == "__main__":
    _HOME = Home.at(Path(os.environ.get("AMKPI_HOME", ".")))
    print(json.dumps(dbt_variables(load_settings(_HOME), date.fromisoformat(sys.argv[1]))))
