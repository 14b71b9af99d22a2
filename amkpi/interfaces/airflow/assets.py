"""The assets that connect the DAGs. An asset event only wakes a DAG; the run then takes everything that is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from airflow.sdk import Asset, AssetAlias, AssetAny, AssetWatcher

from amkpi.core.agencies import Agency
from amkpi.ingestion.contracts.extracts import FAMILIES, Family
from amkpi.interfaces.airflow.landing_trigger import LandingTrigger
from amkpi.interfaces.airflow.names import name_for

GROUP = "amkpi"
# Lets the sweep of many agencies emit events only for those where something waits.
SWEEP = AssetAlias(name="amkpi_sweep", group=GROUP)


@dataclass(frozen=True)
class Assets:
    """The assets of one agency.

    rows: new rows of a family in `raw`. raw: lets one task emit events only for the families
    that received rows. marts: new marts are published. export_due: new marts, where the settings want them in
    PostgreSQL or as Parquet; without these settings no run is started. export: lets a task emit that event only where
    an export is wanted. answered: the question whether a period is to be closed was answered; there may be another one.
    """

    rows: Mapping[Family, Asset]
    raw: AssetAlias
    marts: Asset
    export_due: Asset
    export: AssetAlias
    answered: Asset

    @property
    def any_rows(self) -> AssetAny:
        """New rows of any family."""
        return AssetAny(*self.rows.values())


@cache
def assets_of(agency: Agency | None) -> Assets:
    """The assets of an agency; None: of the only one of this Airflow."""

    def asset(name: str) -> Asset:
        return Asset(name=name_for(name, agency), group=GROUP)

    return Assets(
        rows={family: asset(f"raw_{family}") for family in FAMILIES},
        raw=AssetAlias(name=name_for("raw", agency), group=GROUP),
        marts=asset("marts"),
        export_due=asset("export_due"),
        export=AssetAlias(name=name_for("export", agency), group=GROUP),
        answered=asset("closing_answered"),
    )


def landing_asset(agency: Agency | None, watched: bool) -> Asset:
    """A file is ready in LANDING. watched: with its trigger; of many agencies each has one."""
    name = name_for("landing", agency)
    if not watched:
        return Asset(name=name, group=GROUP)
    trigger = LandingTrigger(agency=None if agency is None else agency.code)
    return Asset(name=name, group=GROUP, watchers=[AssetWatcher(name=name, trigger=trigger)])
