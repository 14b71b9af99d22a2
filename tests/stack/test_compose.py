"""docker-compose.yml has, for every service, what a service in production must have; the proof shows that it works."""

from __future__ import annotations

import configparser
import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from amkpi import __version__
from tests.paths import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# `name:1.2` or `name@sha256:...`, if need be as the default of a variable; a tag without a digit moves.
PINNED = re.compile(r"^(\$\{[A-Z_]+:-)?[a-z0-9./-]+(:[\w.-]*\d[\w.-]*|@sha256:[0-9a-f]{64})\}?$")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY|CONN(_|$)", re.I)


def lacking(service: dict[str, Any]) -> list[str]:
    """What a service lacks."""
    once = service.get("restart") == "no"
    logging = service.get("logging", {}).get("options", {})
    environment = service.get("environment", {})
    has = {
        "a pinned image": PINNED.match(service.get("image", "")),
        "a user who is not root": re.match(r"^[1-9]\d*(:\d+)?$", str(service.get("user", ""))),
        "a root that is read-only": service.get("read_only") is True,
        "no capabilities": service.get("cap_drop") == ["ALL"] and not service.get("cap_add"),
        "no new privileges": "no-new-privileges:true" in service.get("security_opt", []),
        "no privileged mode": not service.get("privileged"),
        "a memory limit": service.get("mem_limit"),
        "a limit of processes": service.get("pids_limit"),
        "a restart by itself": once or service.get("restart") == "unless-stopped",
        "a health check": once or service.get("healthcheck", {}).get("test"),
        "logs that end": "max-size" in logging and "max-file" in logging,
        "networks of its own": service.get("networks") or service.get("network_mode") == "none",
        "ports on the loopback": all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])),
        "no secret in the environment": all(name.endswith("_FILE") for name in environment if SECRET.search(name)),
    }
    return [what for what, is_there in has.items() if not is_there]


def parts(mount: str) -> tuple[str, str, str]:
    """Source, target and mode of a mount, whose source may be a variable with a default."""
    source, target, mode = re.fullmatch(r"(\$\{[^}]+\}|[^:]+):([^:]+)(?::(ro|rw))?", mount).groups()  # type: ignore[union-attr]
    return re.sub(r"^\$\{[A-Z_]+:-(.+)\}$", r"\1", source), target, mode or "rw"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_lacks_nothing_of_what_production_wants(name: str) -> None:
    assert lacking(SERVICES[name]) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image": "postgres"}, "a pinned image"),
        ({"image": "postgres:latest"}, "a pinned image"),
        ({"image": "${POSTGRES_IMAGE}"}, "a pinned image"),
        ({"user": None}, "a user who is not root"),
        ({"user": "0:0"}, "a user who is not root"),
        ({"read_only": None}, "a root that is read-only"),
        ({"cap_drop": None}, "no capabilities"),
        ({"cap_add": ["CHOWN"]}, "no capabilities"),
        ({"security_opt": None}, "no new privileges"),
        ({"privileged": True}, "no privileged mode"),
        ({"mem_limit": None}, "a memory limit"),
        ({"pids_limit": None}, "a limit of processes"),
        ({"restart": None}, "a restart by itself"),
        ({"healthcheck": None}, "a health check"),
        ({"logging": None}, "logs that end"),
        ({"networks": None}, "networks of its own"),
        ({"ports": ["8080:8080"]}, "ports on the loopback"),
        ({"ports": ["0.0.0.0:8080:8080"]}, "ports on the loopback"),
        ({"environment": {"POSTGRES_PASSWORD": "airflow"}}, "no secret in the environment"),
        ({"environment": {"AIRFLOW__CORE__FERNET_KEY": "x"}}, "no secret in the environment"),
    ],
)
@pytest.mark.parametrize("name", ["postgres", "api-server"])
def test_a_service_that_lacks_something_is_told_of(name: str, change: dict[str, Any], said: str) -> None:
    service = copy.deepcopy(SERVICES[name])
    for key, value in change.items():
        service.pop(key, None)
        if value is not None:
            service[key] = value
    assert lacking(service) == [said]


def test_all_of_airflow_is_there_and_the_database_that_it_needs() -> None:
    assert {"postgres", "init", "api-server", "scheduler", "dag-processor", "triggerer"} <= SERVICES.keys()
    assert SERVICES["mail"]["profiles"] == ["dev"]
    for name in ("api-server", "scheduler", "dag-processor", "triggerer"):
        assert SERVICES[name]["depends_on"] == {"init": {"condition": "service_completed_successfully"}}


def test_postgres_is_in_the_inner_network_alone_and_the_api_alone_is_published() -> None:
    assert SERVICES["postgres"]["networks"] == ["back"]
    assert COMPOSE["networks"]["back"] == {"internal": True}
    with_ports = {name for name, service in SERVICES.items() if "ports" in service}
    assert with_ports == {"api-server", "mail", "pages", "marts-db"}
    in_web = [name for name, service in SERVICES.items() if "web" in service.get("networks", [])]
    assert in_web == ["api-server", "pages"]
    assert "back" not in SERVICES["pages"]["networks"]


def test_who_may_ask_the_marts_comes_near_no_other_service() -> None:
    """The database of the marts is a server of its own, off unless its profile is on."""
    marts = SERVICES["marts-db"]
    assert marts["profiles"] == ["postgres"]
    assert {name for name, service in SERVICES.items() if "readers" in service.get("networks", [])} == {"marts-db"}
    assert marts["networks"] == ["back", "readers"]
    assert marts["volumes"] != SERVICES["postgres"]["volumes"]
    assert SERVICES["init"]["depends_on"]["marts-db"] == {"condition": "service_healthy", "required": False}
    # Where the profile is off, nothing waits for it and nothing is written to it.
    assert "AMKPI_POSTGRES_URL_FILE" not in str(SERVICES["scheduler"].get("environment"))
    example = (ROOT / "stack" / "example.env").read_text(encoding="utf-8")
    assert "# AMKPI_POSTGRES_URL_FILE=/run/secrets/marts_url\n" in example


def test_only_who_publishes_can_write_what_is_published() -> None:
    modes = {
        name: mode
        for name, service in SERVICES.items()
        for source, _, mode in map(parts, service.get("volumes", []))
        if source == "published"
    }
    workers = {"worker-1": "rw", "worker-2": "rw"}
    assert modes == {"init": "rw", "scheduler": "rw", **workers, "reader": "ro", "pages": "ro"}
    # A reader sees nothing else of the agency.
    assert [parts(mount)[0] for mount in SERVICES["reader"]["volumes"]] == ["published"]
    # The pages also have their own sessions, and nothing else.
    assert [parts(mount)[0] for mount in SERVICES["pages"]["volumes"]] == ["published", "pages"]


def test_what_lasts_lies_in_named_volumes_and_what_does_not_in_memory() -> None:
    used = {parts(mount)[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    assert used == COMPOSE["volumes"].keys()
    for name, service in SERVICES.items():
        assert all("size=" in mount for mount in service["tmpfs"]), name


def test_every_secret_is_a_file_and_whoever_uses_one_says_so() -> None:
    declared = COMPOSE["secrets"]
    for name, secret in declared.items():
        assert secret == {"file": f"${{SECRETS_DIR:-./secrets}}/{name}"}
    assert {name for service in SERVICES.values() for name in service.get("secrets", [])} == declared.keys()
    # The administrator's password is the init's alone; the pages send mails too.
    held_by = {"admin_password": ["init"], "amkpi_smtp": ["init", "pages"], "pages_oidc": ["pages"]}
    held_by |= {
        "marts_admin_password": ["init", "marts-db"],
        "marts_url": ["init", "scheduler", "worker-1", "worker-2"],
    }
    held_by |= {"redis_password": ["redis"], "celery_broker": ["scheduler", "worker-1", "worker-2"]}
    for name, holders in held_by.items():
        assert [service for service, held in SERVICES.items() if name in held.get("secrets", [])] == holders


def test_airflow_reads_its_secrets_from_files_that_its_services_have() -> None:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / "stack" / "airflow" / "airflow.cfg", encoding="utf-8")
    files = {
        f"{section}.{name}": value
        for section in settings.sections()
        for name, value in settings[section].items()
        if SECRET.search(name)
    }
    assert files == {
        "core.fernet_key_cmd": "cat /run/secrets/fernet_key",
        "database.sql_alchemy_conn_cmd": "cat /run/secrets/sql_alchemy_conn",
        "api.secret_key_cmd": "cat /run/secrets/api_secret_key",
        "api_auth.jwt_secret_cmd": "cat /run/secrets/jwt_secret",
    }
    for name in ("init", "api-server", "scheduler", "dag-processor", "triggerer"):
        assert {Path(command).name for command in files.values()} <= set(SERVICES[name]["secrets"])


def test_the_example_names_every_variable_of_the_compose_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    example = (ROOT / "stack" / "example.env").read_text(encoding="utf-8")
    for_images = {
        "BASE_IMAGE",
        "POSTGRES_IMAGE",
        "REDIS_IMAGE",
        "MAIL_IMAGE",
        "SECRETS_DIR",
    }  # where no registry can be reached
    wanted = set(re.findall(r"\$\{([A-Z_]+)", text)) - for_images
    assert wanted
    assert wanted <= set(re.findall(r"^# ([A-Z_]+)=", example, re.M))


def test_the_image_is_named_by_the_version_of_what_is_in_it() -> None:
    built = [name for name, service in SERVICES.items() if f":-amkpi:{__version__}}}" in service["image"]]
    assert built == [
        "init", "api-server", "scheduler", "dag-processor", "triggerer", "worker-1", "worker-2", "reader", "pages",
    ]  # fmt: skip


def test_the_image_runs_the_python_of_its_lock_as_nobody_special() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    base = re.search(r"^ARG BASE_IMAGE=(\S+)$", text, re.M)
    assert base
    assert PINNED.match(base[1])
    assert base[1] in SERVICES["init"]["build"]["args"]["BASE_IMAGE"]
    assert "--require-hashes --no-build -r /build/${LOCK}.lock" in text
    assert "\nARG LOCK=stack\n" in text
    assert re.findall(r"^USER (\S+)$", text, re.M)[-1] == SERVICES["scheduler"]["user"]


def test_the_workers_of_celery_are_off_unless_wanted_and_share_what_the_scheduler_has() -> None:
    """HOME's lock keeps two workers apart only where both open the same volume on one machine."""
    for name in ("redis", "worker-1", "worker-2"):
        assert SERVICES[name]["profiles"] == ["celery"]
    for name in ("worker-1", "worker-2"):
        assert SERVICES[name]["volumes"] == SERVICES["scheduler"]["volumes"]
    assert SERVICES["redis"]["networks"] == ["back"]
    assert SERVICES["init"]["build"]["args"]["LOCK"] == "${STACK_LOCK:-stack}"
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / "stack" / "airflow" / "airflow.cfg", encoding="utf-8")
    assert settings["core"]["executor"] == "LocalExecutor"
    assert settings["celery"]["broker_url_cmd"] == "cat /run/secrets/celery_broker"


def test_with_many_agencies_every_service_that_reads_dags_has_the_file() -> None:
    over = yaml.safe_load((ROOT / "stack" / "agencies.yml").read_text(encoding="utf-8"))["services"]
    assert over.keys() == {"init", "scheduler", "worker-1", "worker-2", "dag-processor", "triggerer"}
    for name, service in over.items():
        assert service["environment"] == {"AMKPI_AGENCIES": "/agency/agencies.toml"}, name
        assert [mount.split("}:")[1] for mount in service["volumes"]] == ["/agency/agencies.toml:ro"], name
