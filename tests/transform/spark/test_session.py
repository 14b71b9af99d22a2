"""The session on Spark: what is missing, too old or computes otherwise is told in one line. No Spark is needed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.transform.spark import session
from tests.changed_settings import changed
from tests.conftest import Agency

HAS_PYSPARK = importlib.util.find_spec("pyspark") is not None


class Answers:
    """A session that gives fixed answers; an Exception is raised."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    def sql(self, text: str) -> Answers:
        self.asked = text
        return self

    def collect(self) -> list[tuple[Any]]:
        answer = self.answers[self.asked]
        if isinstance(answer, Exception):
            raise answer
        return [(answer,)]


RIGHT = {sql: RuntimeError("an error") if answer is None else answer for _, sql, answer in session.QUESTIONS}
# What an engine answers that computes otherwise, or Spark with another option.
WRONG = {
    "a text that is no number is no error": None,
    "an overflow of a decimal is no error": None,
    "decimals lose places": "12.34567890",
    "greatest of NULL and a value is not the value": None,
    "half is not rounded to even": "0.063",
    "a quoted name is a text": "n",
    "the time zone is not UTC": "Asia/Ho_Chi_Minh",
    "months after the last day of one differ": "2025-03-01",
}


@pytest.mark.parametrize("version", ["4.1.0", "4.3.0", "5.0.0-SNAPSHOT", "4.10.1"])
def test_a_version_with_recursive_queries_is_taken(version: str) -> None:
    session.check_version(version)


@pytest.mark.parametrize("version", ["4.0.1", "3.5.6", "unknown"])
def test_an_older_version_is_told_in_one_line(version: str) -> None:
    with pytest.raises(AmkpiError, match=f"the Spark server has version {version}; .* need Spark 4.1 or newer") as told:
        session.check_version(version)
    assert "\n" not in str(told.value)


def test_a_server_that_computes_as_duckdb_does_is_taken() -> None:
    session.check_answers(Answers(RIGHT))


@pytest.mark.parametrize(("wrong", "sql"), [(wrong, sql) for wrong, sql, _ in session.QUESTIONS])
def test_a_server_that_computes_otherwise_is_told(wrong: str, sql: str) -> None:
    with pytest.raises(AmkpiError, match="does not compute as Spark does") as told:
        session.check_answers(Answers(RIGHT | {sql: WRONG[wrong]}))
    assert wrong in str(told.value)


def test_a_question_that_the_server_cannot_answer_is_told() -> None:
    _, sql, _ = next(question for question in session.QUESTIONS if question[2] is not None)
    with pytest.raises(AmkpiError, match="no such function"):
        session.check_answers(Answers(RIGHT | {sql: RuntimeError("no such function")}))


@pytest.mark.parametrize(
    ("remote", "told"),
    [
        ("sc://localhost:1/;token=secret", r"no Spark Connect server answers at sc://localhost:1: Connection refused"),
        ("spark://localhost:7077", r"'spark://localhost:7077' is not written as sc://host:port"),
        ("sc://localhost:port", r"'sc://localhost:port' is not written as sc://host:port"),
        ("local[2]", r"'local\[2\]' is not written as sc://host:port"),
    ],
)
def test_a_server_that_is_not_there_is_told_at_once_and_without_its_token(remote: str, told: str) -> None:
    with pytest.raises(AmkpiError, match=told) as error:
        session.check_reachable(remote)
    assert "secret" not in str(error.value)


def test_a_server_that_listens_is_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        session.check_reachable(f"sc://127.0.0.1:{server.getsockname()[1]}")


@pytest.mark.skipif(HAS_PYSPARK, reason="pyspark is installed")
def test_a_missing_extra_is_told(agency: Agency, tmp_path: Path) -> None:
    with (
        pytest.raises(AmkpiError, match="install amkpi with the extra `spark`"),
        session.spark_session(agency.run.settings, tmp_path / "server.log"),
    ):
        pytest.fail("there is no pyspark")


def java(folder: Path, version: str) -> str:
    """A program `java` that says this version; gives its JAVA_HOME."""
    program = folder / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(("version", "told"), [("1.8.0_402", "8"), ("11.0.2", "11"), ("mystery", "unknown")])
def test_an_old_java_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, told: str) -> None:
    monkeypatch.setenv("JAVA_HOME", java(tmp_path, version))
    with pytest.raises(AmkpiError, match=rf"Java .*{told}.*apt-get install openjdk-17-jre-headless"):
        session.check_java()


@pytest.mark.parametrize("version", ["17.0.15", "21"])
def test_java_17_or_newer_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv("JAVA_HOME", java(tmp_path, version))
    session.check_java()


def test_a_missing_java_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AmkpiError, match=r"no Java found; .*openjdk-17-jre-headless"):
        session.check_java()


@pytest.mark.slow
@pytest.mark.skipif(
    not HAS_PYSPARK or shutil.which("java") is None,
    reason="Spark is not here: `make test-spark` installs pyspark; it needs Java 17",
)
def test_a_server_on_this_machine_computes_as_duckdb_does_and_ends(agency: Agency, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with session.spark_session(changed(agency.run.settings, spark_memory="1g"), log) as spark:
        assert spark.sql("select sum(n) from values (1), (2) as t(n)").collect()[0][0] == 3
        assert os.environ["SPARK_REMOTE"].startswith("sc://localhost:")
    assert "SPARK_REMOTE" not in os.environ
    assert not (tmp_path / "spark-local").exists()
