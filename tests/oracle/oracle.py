"""An independent reference of the whole pipeline: runs of files in, the rows of the marts out.

Written from the specification pages alone; imports nothing of the project. Correctness before speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from .contract import KPIS
from .details import Details, client_rows, contract_rows, project_rows, proposal_rows, survey_rows
from .measures import measure_rows
from .records import Counted, evidence_rows, value_rows
from .rows import ledger, quarantine, read_runs
from .scores import score_rows
from .settings import read_settings
from .world import World, build_world

MartRow = dict[str, object]


@dataclass(frozen=True)
class Marts:
    """The rows of the marts. Values are float, int, str, date, bool or None; order is not meaningful.

    `manager_loop`: a loop in the chain of managers on some day up to as_of (the pipeline publishes nothing then).
    """

    kpi_values: list[MartRow]
    kpi_evidence: list[MartRow]
    scorecards: list[MartRow]
    scorecard_lines: list[MartRow]
    supporting_measures: list[MartRow]
    load_ledger: list[MartRow]
    quarantined_rows: list[MartRow]
    dim_staff: list[MartRow]
    dim_client: list[MartRow]
    client_overview: list[MartRow]
    project_overview: list[MartRow]
    contract_overview: list[MartRow]
    proposal_overview: list[MartRow]
    survey_overview: list[MartRow]
    manager_loop: bool


def compute(
    runs: Sequence[Mapping[str, bytes]],
    as_of: date,
    variables: Mapping[str, object] | None = None,
    load_times: Sequence[datetime] | None = None,
) -> Marts:
    """The marts after the last of `runs` (each: path below LANDING -> bytes) as of the end of a day.

    `load_times`: the (aware) moment of each run; without it every load is later than every `updated_at`.
    Raises KeyError on an unknown variable.
    """
    settings = read_settings(variables)
    rows = read_runs(runs, settings, load_times)
    world = build_world(rows, as_of, settings)
    counted = Counted(world)
    places = {period: counted.places(period) for period in world.periods}
    values = {
        (kpi, place, period): counted.value(kpi, place, period)
        for period, found in places.items()
        for place in found
        for kpi in KPIS
    }
    details = Details(world, rows, counted)
    cards, lines = score_rows(world, values)
    return Marts(
        kpi_values=value_rows(values, as_of),
        kpi_evidence=evidence_rows(counted, details.columns),
        scorecards=cards,
        scorecard_lines=lines,
        supporting_measures=measure_rows(world, counted, places),
        load_ledger=ledger(rows),
        quarantined_rows=quarantine(rows),
        dim_staff=_dim_staff(world),
        dim_client=_dim_client(world),
        client_overview=client_rows(details),
        project_overview=project_rows(details),
        contract_overview=contract_rows(details),
        proposal_overview=proposal_rows(details),
        survey_overview=survey_rows(details),
        manager_loop=any(world.staff.loops(day) for day in world.staff.epochs if day <= as_of),
    )


def _dim_staff(world: World) -> list[MartRow]:
    """The row of each person that holds on as_of, else the person's first one."""
    found = []
    for person, tenures in world.staff.tenures.items():
        tenure = world.staff.on(person, world.as_of) or tenures[0]
        row: MartRow = {"staff_id": person, "full_name": tenure.full_name, "role": tenure.role}
        found.append(row | {"manager_id": tenure.manager})
    return found


def _dim_client(world: World) -> list[MartRow]:
    """Each current client with its manager on as_of."""
    return [
        {"client_id": client, "client_name": name, "manager_id": world.manager(client, world.as_of)}
        for client, name in world.client_names.items()
    ]
