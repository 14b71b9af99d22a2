"""What runs where, as a picture: drawn from docker-compose.yml and from the DAGs as Airflow reads them.

Narrow, so that it can be read on a phone: the way of a file from top to bottom, then who can reach whom.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import yaml

from amkpi.core.errors import AmkpiError
from tools.paths import ROOT

# Who has the DAGs' tasks run, and who watches: by the command that the container runs.
_RUNS_TASKS, _WATCHES = "scheduler", "triggerer"
_MODES = {"rw": "writes", "ro": "reads"}

_WIDTH, _MARGIN, _INSET = 520, 20, 16
_LINE = 19
# (fill, line)
_PERSON = ("#FFFFFF", "#6B7280")
_VOLUME = ("#FEF3C7", "#B45309")
_SERVICE = ("#EEF2FF", "#4F46E5")
_DAG = ("#DCFCE7", "#15803D")
_NETWORK = ("#F3F4F6", "#6B7280")


@dataclass(frozen=True)
class Dag:
    """A DAG: when it runs, its tasks in order, and which assets it rings."""

    dag_id: str
    times: str
    hears: tuple[str, ...]
    tasks: tuple[str, ...]
    rings: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """A container that stays up: its mounts (volume -> mode), networks, and ports on the host."""

    name: str
    runs: str
    mounts: dict[str, str]
    networks: tuple[str, ...]
    ports: tuple[str, ...]


def picture() -> str:
    """The picture as SVG. Raises AmkpiError when the DAGs cannot be read."""
    return draw(read_services(), read_dags())


def read_services(file: Path = ROOT / "docker-compose.yml") -> list[Service]:
    """The services that stay up, and the reader; in the compose file's order."""
    told = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    return [
        Service(
            name,
            " ".join(service.get("command", [])[1:2]),
            dict(_mount(mount) for mount in service.get("volumes", [])),
            tuple(service.get("networks", ())),
            tuple(re.sub(r"\$\{\w+:-(\w+)\}", r"\1", port).rpartition(":")[0] for port in service.get("ports", ())),
        )
        for name, service in told.items()
        if service.get("restart") != "no" or service.get("profiles")
    ]


def _mount(text: str) -> tuple[str, str]:
    """Volume and mode of a mount; the volume may be the default of a variable."""
    plain = re.sub(r"\$\{\w+:-([\w-]+)\}", r"\1", text)
    source, _, mode = plain.split(":") if plain.count(":") == 2 else (*plain.split(":"), "rw")
    return source, mode


def read_dags() -> list[Dag]:
    """The DAGs, each after those that it hears. Raises AmkpiError."""
    with tempfile.TemporaryDirectory() as folder:
        # A process and a home of its own: Airflow writes its settings where it first finds none.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AMKPI_"))}
        done = subprocess.run(
            [sys.executable, "-c", "from tools.docs.architecture import tell; tell()"],
            cwd=ROOT, env={**environment, "AIRFLOW_HOME": folder}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise AmkpiError(f"the DAGs cannot be read: {' '.join(done.stderr.splitlines()[-1:])}")
    told = json.loads(done.stdout.splitlines()[-1])
    return _in_order(
        Dag(each["dag_id"], each["times"], tuple(each["hears"]), tuple(each["tasks"]), tuple(each["rings"]))
        for each in told
    )


def tell() -> None:
    """Print the DAGs as JSON; in a process of its own. Raises AmkpiError for a file that Airflow cannot read."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(ROOT / "dags")
    for file, error in bag.import_errors.items():
        raise AmkpiError(f"{file}: {error}")
    print(json.dumps([_told(dag) for _, dag in sorted(bag.dags.items())]))


def _told(dag: Any) -> dict[str, Any]:
    schedule = dag.timetable
    condition = getattr(schedule, "asset_condition", None)
    cron = getattr(schedule, "timetable", schedule)
    return {
        "dag_id": dag.dag_id,
        "times": times(getattr(cron, "expression", "")),
        "hears": _names(condition) if condition else [],
        "tasks": [task.task_id for task in dag.topological_sort()],
        "rings": sorted({outlet.name for task in dag.tasks for outlet in task.outlets}),
    }


def _names(condition: Any) -> list[str]:
    """The assets of a condition, which is an asset or has others in it."""
    inside = getattr(condition, "objects", None)
    return [condition.name] if inside is None else sorted({name for each in inside for name in _names(each)})


def times(cron: str) -> str:
    """A cron expression in words, as far as the DAGs use them."""
    if match := re.fullmatch(r"\*/(\d+) \* \* \* \*", cron):
        return f"every {match[1]} minutes"
    if match := re.fullmatch(r"(\d+) (\d+) \* \* \*", cron):
        return f"daily {int(match[2]):02d}:{int(match[1]):02d}"
    return cron


def _in_order(dags: Iterable[Dag]) -> list[Dag]:
    """Each after those that ring what it hears; those that hear nothing and ring nothing last."""
    left = sorted(dags, key=lambda dag: (not dag.hears and not dag.rings, dag.dag_id))
    done: list[Dag] = []
    while left:
        free = (dag for dag in left if not any(_rings(other, dag) for other in left if other is not dag))
        ready = next(free, left[0])
        left.remove(ready)
        done.append(ready)
    return done


def _rings(one: Dag, other: Dag) -> list[str]:
    """The assets by which the one rings the other; an alias `raw` rings `raw_*`."""
    return [name for name in other.hears if any(name == ring or name.startswith(f"{ring}_") for ring in one.rings)]


class _Drawing:
    """Text and boxes from top to bottom."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.y = 64.0

    def box(self, lines: Sequence[str], colours: tuple[str, str], inset: float = 0) -> None:
        """A box, its first words bold; below it goes on."""
        x, wide = _MARGIN + inset, _WIDTH - 2 * (_MARGIN + inset)
        height = _LINE * len(lines) + 14
        fill, line = colours
        self.out.append(
            f'<rect x="{x:.0f}" y="{self.y:.0f}" width="{wide:.0f}" height="{height:.0f}" rx="8" fill="{fill}"'
            f' stroke="{line}" stroke-width="1.3"/>'
        )
        for number, text in enumerate(lines):
            # The first line up to its colon, or all of it.
            strong, colon, rest = text.partition(":") if number == 0 else ("", "", text)
            said = (
                f'<tspan font-weight="bold">{escape(strong + colon)}</tspan>{escape(rest)}' if strong else escape(rest)
            )
            self.out.append(f'<text x="{x + 12:.0f}" y="{self.y + 20 + number * _LINE:.0f}">{said}</text>')
        self.y += height

    def arrow(self, said: str, inset: float = 0) -> None:
        """An arrow down, with words beside it."""
        x, end = _MARGIN + inset + 28, self.y + 30
        self.out.append(f'<path d="M{x:.0f} {self.y + 2:.0f}V{end - 3:.0f}" class="a" marker-end="url(#h)"/>')
        self.out.append(f'<text x="{x + 12:.0f}" y="{self.y + 20:.0f}" class="s">{escape(said)}</text>')
        self.y = end


def _wrapped(first: str, rest: Iterable[str], width: int = 52) -> list[str]:
    """`first` and words after it, in lines of about so many characters."""
    lines, line = [], first
    for word in rest:
        if len(line) + len(word) + 2 > width:
            lines.append(line + ",")
            line = f"    {word}"
        else:
            line += f"{'' if line == first else ','} {word}"
    return [*lines, line]


def draw(services: Sequence[Service], dags: Sequence[Dag]) -> str:
    """The picture. Raises AmkpiError when the compose file has nobody who runs tasks."""
    by_command = {service.runs: service for service in services}
    if _RUNS_TASKS not in by_command:
        raise AmkpiError("docker-compose.yml has no service that runs `airflow scheduler`")
    runs, watches = by_command[_RUNS_TASKS], by_command.get(_WATCHES)
    readers = [service for service in services if service.mounts.get("published") == "ro"]
    drawing = _Drawing()
    drawing.box(["CRM, project tool, survey tools, HR", "drop extracts, whenever they have them"], _PERSON)
    drawing.arrow("files")
    drawing.box(["volume landing"], _VOLUME)
    drawing.arrow(f"{watches.name} looks into it all the time, and rings" if watches else "the sweep looks into it")
    _draw_tasks(drawing, runs, dags)
    drawing.arrow("a file of its own name, then the link")
    drawing.box(["volume published"], _VOLUME)
    drawing.arrow("read-only; never waits, never sees half a build")
    names = ", ".join(service.name for service in readers)
    drawing.box(["analysts, BI tools, notebooks", f"mounted as the service {names} shows"], _PERSON)
    drawing.y += 34
    _heading(drawing, "Who keeps what")
    for volume in dict.fromkeys(name for service in services for name in service.mounts):
        uses = [f"{service.name} {_MODES[service.mounts[volume]]}" for service in services if volume in service.mounts]
        drawing.box(_wrapped(f"{volume}:", uses), _VOLUME)
        drawing.y += 6
    drawing.y += 28
    _heading(drawing, "Who reaches whom")
    for network in dict.fromkeys(name for service in services for name in service.networks):
        inside = [service.name for service in services if network in service.networks]
        drawing.box(_wrapped(f"network {network}:", inside), _NETWORK)
        drawing.y += 6
    for service in services:
        for port in service.ports:
            drawing.box([f"{service.name}: {port} on the host"], _SERVICE)
            drawing.y += 6
    return _page(drawing)


def _draw_tasks(drawing: _Drawing, runs: Service, dags: Sequence[Dag]) -> None:
    top, at = drawing.y, len(drawing.out)
    drawing.y += 34
    for number, dag in enumerate(dags):
        when = [*dag.hears, *([dag.times] if dag.times else [])]
        lines = [dag.dag_id, " → ".join(dag.tasks), *_wrapped("on", when or ["request"], 48)]
        drawing.box(lines, _DAG, _INSET)
        below = dags[number + 1] if number + 1 < len(dags) else None
        if below and (rung := _rings(dag, below)):
            drawing.arrow(f"asset {rung[0]}" if len(rung) == 1 else f"{len(rung)} assets, those that got rows", _INSET)
        else:
            drawing.y += 10
    drawing.y += 6
    fill, line = _SERVICE
    drawing.out[at:at] = [
        f'<rect x="{_MARGIN}" y="{top:.0f}" width="{_WIDTH - 2 * _MARGIN}" height="{drawing.y - top:.0f}" rx="10"'
        f' fill="{fill}" stroke="{line}" stroke-width="1.3"/>',
        f'<text x="{_MARGIN + 12}" y="{top + 22:.0f}"><tspan font-weight="bold">{escape(runs.name)}:</tspan>'
        " every task runs here</text>",
    ]


def _heading(drawing: _Drawing, text: str) -> None:
    drawing.out.append(f'<text x="{_MARGIN}" y="{drawing.y:.0f}" class="t">{escape(text)}</text>')
    drawing.y += 14


def _page(drawing: _Drawing) -> str:
    height = drawing.y + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}"'
            f' height="{height:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="15" fill="#111827">',
            "<title>What runs where: from a dropped file to its readers</title>",
            "<style>.a{fill:none;stroke:#374151;stroke-width:1.6}.s{font-size:14px;fill:#374151}"
            ".t{font-size:19px;font-weight:bold}</style>",
            '<defs><marker id="h" markerWidth="9" markerHeight="9" refX="7" refY="4.5" orient="auto">'
            '<path d="M1 1L8 4.5L1 8z" fill="#374151"/></marker></defs>',
            f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#FFFFFF"/>',
            f'<text x="{_MARGIN}" y="40" class="t">From a dropped file to its readers</text>',
            *drawing.out,
            "</svg>",
            "",
        ]
    )
