"""The picture of what runs where: it follows the compose file and the DAGs."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from amkpi.core.errors import AmkpiError
from tools.docs import architecture
from tools.docs.architecture import Dag, Service

SERVICES = [
    Service("tasks", "scheduler", {"agency": "rw", "published": "rw", "landing": "rw"}, ("back",), ()),
    Service("watch", "triggerer", {"landing": "ro"}, ("back",), ()),
    Service("front", "api-server", {}, ("back", "web"), ("127.0.0.1:8080",)),
    Service("asks", "", {"published": "ro"}, (), ()),
]
DAGS = [
    Dag("last", "daily 07:00", ("marts",), ("send",), ()),
    Dag("alone", "daily 03:30", (), ("tidy",), ()),
    Dag("middle", "daily 02:00", ("raw_a", "raw_b"), ("build", "publish"), ("marts",)),
    Dag("first", "", ("landing",), ("load",), ("raw",)),
]


def words(svg: str) -> list[str]:
    """What each text of the picture says, from top to bottom."""
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(text.itertext()) for text in texts]


def test_a_dag_stands_below_those_that_ring_for_it_and_one_for_itself_last() -> None:
    assert [dag.dag_id for dag in architecture._in_order(DAGS)] == ["first", "middle", "last", "alone"]


def test_the_way_of_a_file_goes_from_top_to_bottom() -> None:
    said = words(architecture.draw(SERVICES, architecture._in_order(DAGS)))
    way = ["volume landing", "watch looks into it all the time, and rings", "tasks: every task runs here", "first"]
    way += ["2 assets, those that got rows", "middle", "build → publish", "on raw_a, raw_b, daily 02:00", "asset marts"]
    way += ["last", "volume published", "mounted as the service asks shows"]
    places = [said.index(line) for line in way]
    assert places == sorted(places)


def test_every_volume_network_and_port_is_in_it() -> None:
    said = words(architecture.draw(SERVICES, DAGS))
    assert "landing: tasks writes, watch reads" in said
    assert "published: tasks writes, asks reads" in said
    assert "network back: tasks, watch, front" in said
    assert "front: 127.0.0.1:8080 on the host" in said


def test_no_text_runs_out_of_its_box() -> None:
    # Generously: 8.2 px a character of 15 px Helvetica, from where the text begins.
    for text in ElementTree.fromstring(architecture.draw(architecture.read_services(), DAGS)).iter(
        "{http://www.w3.org/2000/svg}text"
    ):
        assert float(text.attrib["x"]) + 8.2 * len("".join(text.itertext())) < 520


def test_without_anybody_who_runs_tasks_there_is_no_picture() -> None:
    with pytest.raises(AmkpiError, match="airflow scheduler"):
        architecture.draw(SERVICES[1:], DAGS)


def test_what_stays_up_is_read_from_the_compose_file_and_what_runs_once_is_not(tmp_path: Path) -> None:
    file = tmp_path / "docker-compose.yml"
    file.write_text(
        "services:\n"
        "  once: {restart: 'no'}\n"
        "  ask: {restart: 'no', profiles: [reader], volumes: ['published:/p:ro']}\n"
        "  run:\n"
        "    command: [airflow, scheduler, --flag]\n"
        "    volumes: ['${LANDING_DIR:-landing}:/landing', 'published:/p']\n"
        "    networks: [back]\n"
        "    ports: ['127.0.0.1:${PORT:-80}:8080']\n"
    )
    assert architecture.read_services(file) == [
        Service("ask", "", {"published": "ro"}, (), ()),
        Service("run", "scheduler", {"landing": "rw", "published": "rw"}, ("back",), ("127.0.0.1:80",)),
    ]


@pytest.mark.parametrize(
    ("cron", "said"),
    [("*/10 * * * *", "every 10 minutes"), ("0 2 * * *", "daily 02:00"), ("30 3 * * 1", "30 3 * * 1"), ("", "")],
)
def test_a_schedule_is_said_in_words(cron: str, said: str) -> None:
    assert architecture.times(cron) == said


@pytest.mark.slow
def test_the_dags_are_read_as_airflow_reads_them() -> None:
    found = {dag.dag_id: dag for dag in architecture.read_dags()}
    assert found["build_marts"].tasks == ("build", "audit", "publish")
    assert found["build_marts"].rings == ("marts",)
    assert found["load_extracts"].hears == ("landing",)
    assert found["send_scorecards"].hears == ("marts",)
