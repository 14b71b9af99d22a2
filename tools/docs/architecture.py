"""The pictures of the architecture page: from docker-compose.yml, and from the DAGs as Airflow reads them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from amkpi.core.errors import AmkpiError
from tools.docs.markdown import code, codes, table
from tools.docs.mermaid import Edge, Frame, Node, flowchart
from tools.paths import ROOT

# Who runs the DAGs' tasks, and who waits for files: by the command of the container.
_RUNS_TASKS, _WAITS = "scheduler", "triggerer"
_PERSON, _VOLUME, _SERVICE, _DAG = "grey", "yellow", "violet", "green"


@dataclass(frozen=True)
class Dag:
    """A DAG: when it runs, which assets start it, its tasks, and which assets it updates.

    in_sequence: each task waits for the one before it.
    """

    dag_id: str
    times: str
    assets: tuple[str, ...]
    tasks: tuple[str, ...]
    in_sequence: bool
    updates: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """A container that stays up: its mounts (volume -> `rw` or `ro`), networks, and ports on the host."""

    name: str
    runs: str
    mounts: dict[str, str]
    networks: tuple[str, ...]
    ports: tuple[str, ...]


def pictures() -> str:
    """The pictures and tables as Markdown. Raises AmkpiError when the DAGs cannot be read."""
    return write(read_services(), read_dags())


def read_services(file: Path = ROOT / "docker-compose.yml") -> list[Service]:
    """The services that stay up, and those of a profile, in the compose file's order."""
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    return [
        Service(
            name,
            " ".join(service.get("command", [])[1:2]),
            dict(_mount(mount) for mount in service.get("volumes", [])),
            tuple(service.get("networks", ())),
            tuple(re.sub(r"\$\{\w+:-(\w+)\}", r"\1", port).rpartition(":")[0] for port in service.get("ports", ())),
        )
        for name, service in declared.items()
        if service.get("restart") != "no" or service.get("profiles")
    ]


def _mount(text: str) -> tuple[str, str]:
    """Volume and mode of a mount; the volume may be the default of a variable."""
    plain = re.sub(r"\$\{\w+:-([\w-]+)\}", r"\1", text)
    source, _, mode = plain.split(":") if plain.count(":") == 2 else (*plain.split(":"), "rw")
    return source, mode


def read_dags() -> list[Dag]:
    """The DAGs, each after those that start it. Raises AmkpiError."""
    with tempfile.TemporaryDirectory() as folder:
        # A separate process with a separate home: Airflow writes its settings where it finds none.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AMKPI_"))}
        done = subprocess.run(
            [sys.executable, "-c", "from tools.docs.architecture import print_dags; print_dags()"],
            cwd=ROOT, env={**environment, "AIRFLOW_HOME": folder}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise AmkpiError(f"the DAGs cannot be read: {' '.join(done.stderr.splitlines()[-1:])}")
    found = json.loads(done.stdout.splitlines()[-1])
    return in_order(
        Dag(
            each["dag_id"],
            each["times"],
            tuple(each["assets"]),
            tuple(each["tasks"]),
            each["in_sequence"],
            tuple(each["updates"]),
        )
        for each in found
    )


def print_dags() -> None:
    """Print the DAGs as JSON; run in a separate process. Raises AmkpiError for a file that Airflow cannot read."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(ROOT / "dags")
    for file, error in bag.import_errors.items():
        raise AmkpiError(f"{file}: {error}")
    print(json.dumps([asdict(_dag(dag)) for _, dag in sorted(bag.dags.items())]))


def _dag(dag: Any) -> Dag:
    schedule = dag.timetable
    condition = getattr(schedule, "asset_condition", None)
    cron = getattr(schedule, "timetable", schedule)
    tasks = dag.topological_sort()
    return Dag(
        dag.dag_id,
        times(getattr(cron, "expression", "")),
        tuple(_names(condition)) if condition else (),
        tuple(task.task_id for task in tasks),
        all(task.upstream_task_ids for task in tasks[1:]),
        tuple(sorted({outlet.name for task in dag.tasks for outlet in task.outlets})),
    )


def _names(condition: Any) -> list[str]:
    """The assets of a condition, which is an asset or contains others."""
    inside = getattr(condition, "objects", None)
    return [condition.name] if inside is None else sorted({name for each in inside for name in _names(each)})


def times(cron: str) -> str:
    """A cron expression in words, as far as the DAGs use them."""
    if match := re.fullmatch(r"(?:\*|\d+-59)/(\d+) \* \* \* \*", cron):
        return f"every {match[1]} minutes"
    if match := re.fullmatch(r"(\d+) (\d+) \* \* \*", cron):
        return f"daily {int(match[2]):02d}:{int(match[1]):02d}"
    return cron


def in_order(dags: Iterable[Dag]) -> list[Dag]:
    """Each after those that start it; those without any asset last."""
    left = sorted(dags, key=lambda dag: (not dag.assets and not dag.updates, dag.dag_id))
    done: list[Dag] = []
    while left:
        free = (dag for dag in left if not any(starts(other, dag) for other in left if other is not dag))
        ready = next(free, left[0])
        left.remove(ready)
        done.append(ready)
    return done


def starts(one: Dag, other: Dag) -> list[str]:
    """The assets by which one DAG starts the other; an alias `raw` updates `raw_*`."""
    return [
        name for name in other.assets if any(name == asset or name.startswith(f"{asset}_") for asset in one.updates)
    ]


def write(services: Sequence[Service], dags: Sequence[Dag]) -> str:
    """The pictures. Raises AmkpiError when no service runs tasks."""
    if _RUNS_TASKS not in {service.runs for service in services}:
        raise AmkpiError("docker-compose.yml has no service that runs `airflow scheduler`")
    schedule = table(
        ("DAG", "its tasks", "starts"),
        [
            (code(dag.dag_id), (" → " if dag.in_sequence else ", ").join(map(code, dag.tasks)), _starts(dag))
            for dag in dags
        ],
    )
    networks = dict.fromkeys(name for service in services for name in service.networks)
    reach = table(
        ("network", "services in it"),
        [(code(name), codes(each.name for each in services if name in each.networks)) for name in networks],
    )
    ports = [f"{code(service.name)} on `{port}`" for service in services for port in service.ports]
    return "\n\n".join(
        [
            "### The way of a file",
            _way(services, dags),
            "The DAGs and when they start:",
            schedule,
            "### Which service reads and writes which volume",
            _volumes(services),
            "### Which service reaches which",
            reach,
            f"Ports on the host: {', '.join(ports) or 'none'}.",
        ]
    )


def _starts(dag: Dag) -> str:
    assets = f"when the asset {' or '.join(map(code, dag.assets))} is updated" if dag.assets else ""
    return ", and ".join(filter(None, [assets, dag.times])) or "by hand"


def _way(services: Sequence[Service], dags: Sequence[Dag]) -> str:
    """From top to bottom: a dropped file, the DAGs that start each other, the readers."""
    by_command = {service.runs: service for service in services}
    readers = [service for service in services if service.mounts.get("published") == "ro"]
    chained = [dag for dag in dags if any(starts(dag, other) or starts(other, dag) for other in dags)]
    boxes = [Node(dag.dag_id, f"{dag.dag_id}\n{dag.times}".strip(), _DAG) for dag in chained]
    parts: list[Node | Frame] = [
        Node("senders", "CRM, project tool, survey tools, HR", _PERSON, "round"),
        Node("landing", "volume landing", _VOLUME, "store"),
    ]
    edges = [Edge("senders", "landing", "files")]
    woken = [dag for dag in chained or dags if any(name.endswith("landing") for name in dag.assets)]
    first = (woken or chained or dags)[0].dag_id
    if _WAITS in by_command:
        waits = by_command[_WAITS].name
        parts.append(Node(waits, f"{waits}\nlooks for new names", _SERVICE))
        edges += [Edge("landing", waits), Edge(waits, first, "a file is ready")]
    else:
        edges.append(Edge("landing", first))
    parts.append(Frame(f"{by_command[_RUNS_TASKS].name}: every task runs here", boxes))
    for dag in chained:
        for other in chained:
            if assets := starts(dag, other):
                edges.append(Edge(dag.dag_id, other.dag_id, f"asset {assets[0]}" if len(assets) == 1 else "new rows"))
        if "publish" in dag.tasks:
            edges.append(Edge(dag.dag_id, "published", "a new file, then the link"))
    parts += [
        Node("published", "volume published", _VOLUME, "store"),
        Node("readers", "\n".join(["analysts, BI tools, notebooks", *(f"service {each.name}" for each in readers)]),
             _PERSON, "round"),
    ]  # fmt: skip
    edges.append(Edge("published", "readers", "read-only"))
    return flowchart(parts, edges, "TB")


def _volumes(services: Sequence[Service]) -> str:
    """Services that write a volume on its left, those that read it on its right."""
    using = [service for service in services if service.mounts]
    volumes = dict.fromkeys(name for service in using for name in service.mounts)
    edges = []
    for service in using:
        for volume, mode in service.mounts.items():
            if mode == "rw":
                edges.append(Edge(service.name, f"volume {volume}", "writes"))
            else:
                edges.append(Edge(f"volume {volume}", service.name, "reads"))
    nodes = [Node(service.name, service.name, _SERVICE) for service in using]
    return flowchart([*nodes, *(Node(f"volume {name}", name, _VOLUME, "store") for name in volumes)], edges)
