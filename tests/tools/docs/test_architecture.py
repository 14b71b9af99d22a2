"""The pictures of what runs where follow the compose file and the DAGs."""

from __future__ import annotations

from pathlib import Path

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
    Dag("last", "daily 07:00", ("marts",), ("send",), True, ()),
    Dag("alone", "daily 03:30", (), ("copy", "tidy"), False, ()),
    Dag("middle", "daily 02:00", ("raw_a", "raw_b"), ("build", "publish"), True, ("marts",)),
    Dag("first", "", ("landing",), ("load",), True, ("raw",)),
]


def test_a_dag_comes_after_those_that_start_it_and_one_without_assets_last() -> None:
    assert [dag.dag_id for dag in architecture.in_order(DAGS)] == ["first", "middle", "last", "alone"]


def test_a_file_can_be_followed_from_its_sender_to_its_readers() -> None:
    text = architecture.write(SERVICES, architecture.in_order(DAGS))
    for arrow in (
        'n_senders -->|"files"| n_landing',
        "n_landing --> n_watch",
        'n_watch -->|"a file is ready"| n_first',
        'n_first -->|"new rows"| n_middle',
        'n_middle -->|"asset marts"| n_last',
        'n_middle -->|"a new file, then the link"| n_published',
        'n_published -->|"read-only"| n_readers',
    ):
        assert f"  {arrow}\n" in text


def test_without_a_triggerer_the_first_dag_looks_itself() -> None:
    assert "  n_landing --> n_first\n" in architecture.write([SERVICES[0]], architecture.in_order(DAGS))


def test_the_table_says_when_each_dag_starts_and_whether_its_tasks_wait_for_each_other() -> None:
    text = architecture.write(SERVICES, DAGS)
    assert "| `first` | `load` | when the asset `landing` is updated |" in text
    assert "| `middle` | `build` → `publish` | when the asset `raw_a` or `raw_b` is updated, and daily 02:00 |" in text
    assert "| `alone` | `copy`, `tidy` | daily 03:30 |" in text


def test_every_volume_network_and_port_is_in_it() -> None:
    text = architecture.write(SERVICES, DAGS)
    assert 'n_tasks -->|"writes"| n_volume_landing' in text
    assert 'n_volume_landing -->|"reads"| n_watch' in text
    assert 'n_volume_published -->|"reads"| n_asks' in text
    assert "| `back` | `tasks`, `watch`, `front` |" in text
    assert "Ports on the host: `front` on `127.0.0.1:8080`." in text


def test_without_a_service_that_runs_tasks_there_is_no_picture() -> None:
    with pytest.raises(AmkpiError, match="airflow scheduler"):
        architecture.write(SERVICES[1:], DAGS)


def test_services_that_stay_up_are_read_from_the_compose_file_and_one_that_runs_once_is_not(tmp_path: Path) -> None:
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
    ("cron", "words"),
    [
        ("*/10 * * * *", "every 10 minutes"),
        ("5-59/10 * * * *", "every 10 minutes"),
        ("0 2 * * *", "daily 02:00"),
        ("30 3 * * 1", "30 3 * * 1"),
        ("", ""),
    ],
)
def test_a_schedule_is_written_in_words(cron: str, words: str) -> None:
    assert architecture.times(cron) == words


@pytest.mark.slow
def test_the_dags_are_read_as_airflow_reads_them() -> None:
    found = {dag.dag_id: dag for dag in architecture.read_dags()}
    assert found["amkpi_build_marts"].tasks == ("build", "audit", "publish")
    assert found["amkpi_build_marts"].in_sequence
    assert found["amkpi_build_marts"].updates == ("amkpi_export", "amkpi_marts")
    assert found["amkpi_load_extracts"].assets == ("amkpi_landing",)
    assert found["amkpi_send_scorecards"].assets == ("amkpi_marts",)
    assert not found["amkpi_housekeeping"].in_sequence
