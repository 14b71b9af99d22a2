"""The assets that connect the DAGs. An asset event only wakes a DAG; the run then takes everything that is there."""

from __future__ import annotations

from airflow.sdk import Asset, AssetAlias, AssetAny, AssetWatcher

from amkpi.ingestion.contracts.extracts import FAMILIES
from amkpi.interfaces.airflow.landing_trigger import LandingTrigger

# A file is ready in LANDING.
LANDING = Asset(
    name="amkpi_landing", group="amkpi", watchers=[AssetWatcher(name="amkpi_landing", trigger=LandingTrigger())]
)
# New rows of a family in `raw`.
ROWS = {family: Asset(name=f"amkpi_raw_{family}", group="amkpi") for family in FAMILIES}
ANY_ROWS = AssetAny(*ROWS.values())
# Lets one task emit events only for the families that received rows.
RAW = AssetAlias(name="amkpi_raw", group="amkpi")
# New marts are published.
MARTS = Asset(name="amkpi_marts", group="amkpi")
# New marts, where the settings want them in PostgreSQL or as Parquet: without these settings no run is started.
EXPORT_DUE = Asset(name="amkpi_export_due", group="amkpi")
# Lets a task emit that event only where an export is wanted.
EXPORT = AssetAlias(name="amkpi_export", group="amkpi")
# The question whether a period is to be closed was answered: there may be another one.
ANSWERED = Asset(name="amkpi_closing_answered", group="amkpi")
