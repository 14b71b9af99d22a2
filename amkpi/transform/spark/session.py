"""A session on Spark, by Spark Connect: on the agency's server, or on one that is started for the build.

The session is set so that Spark computes what DuckDB computes, and is asked a few questions in which engines differ.
An engine that speaks Spark Connect and is not Spark mostly fails one of them.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from amkpi.core.errors import AmkpiError
from amkpi.core.settings import Settings

# Recursive queries are Spark's from here on.
OLDEST_VERSION = (4, 1)
OLDEST_JAVA = 17
_SECONDS_TO_START = 300.0
_SECONDS_TO_ANSWER = 10.0
# Of Spark Connect, where an address has none.
_PORT = 15002
_REMOTE = "SPARK_REMOTE"
_TOKEN = "SPARK_CONNECT_AUTHENTICATE_TOKEN"

# All but one make a silent difference an error, or no difference.
SESSION = {
    # An overflow is an error, not NULL.
    "spark.sql.ansi.enabled": "true",
    # A quoted name is a name, not a text.
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.session.timeZone": "UTC",
    # Decimals keep their places: else 100 × decimal(38, 12) has eight.
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    # The months of an agency are one recursion each; 100 would be eight years.
    "spark.sql.cteRecursionLevelLimit": "100000",
    "spark.sql.cteRecursionRowLimit": "-1",
    # Spark 4.3 cannot read back some plans with a union that it sends to its tasks (ClassCastException, UnionExec).
    "spark.sql.codegen.wholeStage.union.enabled": "false",
    # Dates before 1582 stay the days that they are.
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
}
# Of a server on this machine: more partitions than cores only cost time.
_LOCAL_SESSION = {"spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1))}

# What a question must give as text; None where it must be an error. A name says what is wrong otherwise.
QUESTIONS: tuple[tuple[str, str, str | None], ...] = (
    ("a text that is no number is no error", "select cast('x' as int)", None),
    (
        "an overflow of a decimal is no error",
        "select cast(99999999999999999999999999999999999999 as decimal(38, 0)) * 10",
        None,
    ),
    ("decimals lose places", "select 100 * cast(0.123456789012 as decimal(38, 12))", "12.345678901200"),
    ("greatest of NULL and a value is not the value", "select greatest(cast(null as int), 1)", "1"),
    ("half is not rounded to even", "select bround(cast(0.0625 as decimal(38, 13)), 3)", "0.062"),
    ("a quoted name is a text", 'select "n" from (select 1 as n)', "1"),
    ("the time zone is not UTC", "select current_timezone()", "UTC"),
    ("months after the last day of one differ", "select add_months(date'2024-02-29', 12)", "2025-02-28"),
)


@contextmanager
def spark_session(settings: Settings, log: Path) -> Iterator[Any]:
    """A session of pyspark that computes as DuckDB does; also what dbt's method `session` finds while it is open.

    log: the file of the messages of a server that is started here. Raises AmkpiError in one line where there is no
    pyspark, no Java or no server, or where the server is too old or computes otherwise.
    """
    with warnings.catch_warnings():
        # pandas is newer than pyspark has tested; only its check of versions uses it here.
        warnings.simplefilter("ignore", FutureWarning)
        # dbt asks for Hive in each statement; the server keeps its own catalogue.
        warnings.filterwarnings("ignore", "Failed to set spark.sql.catalogImplementation")
        try:
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise AmkpiError("setting engine = spark needs pyspark: install amkpi with the extra `spark`") from error
        # pyspark logs each failed statement with its stack; the error itself says what failed.
        logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
        with ExitStack() as stack:
            remote = settings.build.spark_remote.get_secret_value() or os.environ.get(_REMOTE, "")
            options = SESSION
            if not remote:
                remote, options = stack.enter_context(local_server(settings, log)), SESSION | _LOCAL_SESSION
            check_reachable(remote)
            stack.enter_context(_variable(_REMOTE, remote))
            try:
                session = SparkSession.builder.remote(remote).getOrCreate()
                stack.callback(session.stop)
                version = str(session.version)
            except Exception as error:  # pyspark and gRPC have no common class of errors
                raise AmkpiError(f"no Spark Connect server answers at {_shown(remote)}: {first_line(error)}") from error
            check_version(version)
            for name, value in options.items():
                try:
                    session.conf.set(name, value)
                except Exception as error:  # as above
                    raise AmkpiError(f"Spark {version} refuses the option {name}: {first_line(error)}") from error
            check_answers(session)
            yield session


def check_reachable(remote: str) -> None:
    """Raise AmkpiError if nobody listens at this address, or if it is none; pyspark would try for ten minutes."""
    address = re.fullmatch(r"sc://([^/:\[\]]+|\[[^\]]+\])(?::(\d+))?(?:/.*)?", remote)
    if address is None:
        raise AmkpiError(f"setting spark_remote or SPARK_REMOTE: {_shown(remote)!r} is not written as sc://host:port")
    try:
        socket.create_connection((address[1].strip("[]"), int(address[2] or _PORT)), _SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise AmkpiError(f"no Spark Connect server answers at {_shown(remote)}: {error.strerror or error}") from error


def check_version(version: str) -> None:
    """Raise AmkpiError for a version before `OLDEST_VERSION`, or what is none."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST_VERSION:
        oldest = ".".join(map(str, OLDEST_VERSION))
        raise AmkpiError(f"the Spark server has version {version}; the models need Spark {oldest} or newer")


def check_answers(session: Any) -> None:
    """Raise AmkpiError if one of `QUESTIONS` is answered otherwise than DuckDB would: figures would differ silently."""
    for wrong, sql, expected in QUESTIONS:
        try:
            answer = str(session.sql(sql).collect()[0][0])
        except Exception as error:
            if expected is None:
                continue
            raise AmkpiError(f"this server does not compute as Spark does ({wrong}): {first_line(error)}") from error
        if answer != expected:
            raise AmkpiError(f"this server does not compute as Spark does ({wrong}): `{sql}` gives {answer}")


@contextmanager
def local_server(settings: Settings, log: Path) -> Iterator[str]:
    """A Spark Connect server in a process of its own, for this machine alone. Gives its address.

    Raises AmkpiError if Java is missing or older than `OLDEST_JAVA`, or if the server does not start.
    """
    import pyspark

    check_java()
    root = Path(pyspark.__file__).parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log.parent.mkdir(parents=True, exist_ok=True)
    options = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.ui.enabled": "false",
        # No metastore: the catalogue is gone with the server.
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": log.parent / "spark-warehouse",
        "spark.local.dir": log.parent / "spark-local",
    }
    command = [
        str(root / "bin" / "spark-submit"),
        "--class", "org.apache.spark.sql.connect.service.SparkConnectServer",
        "--master", "local[*]",
        "--driver-memory", settings.build.spark_memory,
        *(part for name, value in options.items() for part in ("--conf", f"{name}={value}")),
        "spark-internal",
    ]  # fmt: skip
    with _variable(_TOKEN, uuid.uuid4().hex), log.open("w") as output:
        environment = {name: value for name, value in os.environ.items() if name != _REMOTE}
        process = subprocess.Popen(
            command,
            env=environment | {"SPARK_HOME": str(root), "PYSPARK_PYTHON": sys.executable},
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        try:
            _wait_for(process, port, log)
            # pyspark sends its token without TLS to this name only.
            yield f"sc://localhost:{port}"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for leftover in ("spark-warehouse", "spark-local"):
                shutil.rmtree(log.parent / leftover, ignore_errors=True)


def check_java() -> None:
    """Raise AmkpiError if there is no Java, or an older one than `OLDEST_JAVA`."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    advice = f"Spark needs Java {OLDEST_JAVA} or newer: `apt-get install openjdk-17-jre-headless`, or set spark_remote"
    if java is None or not Path(java).exists():
        raise AmkpiError(f"no Java found; {advice}")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', told)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise AmkpiError(f"{java} is Java {version[1] if version else 'of an unknown version'}; {advice}")


def _end_with_parent() -> None:
    """The server gets SIGTERM when this process ends, however it ends. Only Linux can do that."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AmkpiError(f"the Spark server ended while it started, with code {process.returncode}: see {log}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AmkpiError(f"the Spark server did not start within {_SECONDS_TO_START:.0f} s: see {log}")


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of the environment, which pyspark reads; restore it afterwards."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def _shown(remote: str) -> str:
    """An address without the token that it may hold."""
    return remote.split("/;")[0]


def first_line(error: Exception) -> str:
    """What an error says, without the stack that Spark or a storage may add to it."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
