"""stack/healthy.py: what makes a container healthy."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.paths import ROOT

SCRIPT = ROOT / "stack" / "healthy.py"


class Health(BaseHTTPRequestHandler):
    """Answers as Airflow's API does: one component works, one does not, one is not there."""

    def do_GET(self) -> None:
        body = {"metadatabase": {"status": "healthy"}, "triggerer": {"status": "unhealthy"}, "dag_processor": None}
        text = b"" if self.path == "/empty" else json.dumps(body).encode()
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["/health", "metadatabase"], ""),
        (["/empty"], ""),  # the scheduler's own server says no more than that
        (["/health", "triggerer"], 'triggerer: {"status": "unhealthy"}'),
        (["/health", "dag_processor"], "dag_processor: {}"),
        (["/broken"], "HTTP Error 500"),
    ],
)
def test_it_ends_with_0_only_when_what_was_asked_for_is_healthy(
    address: str, arguments: list[str], reason: str
) -> None:
    path, *component = arguments
    done = subprocess.run(
        [sys.executable, str(SCRIPT), address + path, *component], capture_output=True, text=True, check=False
    )
    assert done.returncode == (1 if reason else 0)
    assert reason in done.stderr


def test_nobody_there_is_not_healthy() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "http://127.0.0.1:9/"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "refused" in done.stderr
