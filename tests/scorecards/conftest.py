"""What the tests of scorecards share: a published agency, made once and copied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amkpi.core.run import Run
from amkpi.scorecards.mail import messages
from amkpi.scorecards.model import Scorecard
from tests.scorecards import agency

_RENDERED: dict[tuple[str, str], bytes] = {}


@pytest.fixture
def rendered_again() -> None:
    """For a test of rendering itself: nothing is taken from the tests before it."""


@pytest.fixture(autouse=True)
def _each_card_is_rendered_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests mail the same scorecards. The PDF and the chart take half of the time of a mail."""
    if "rendered_again" in request.fixturenames:
        return

    def once(kind: str, render: Callable[[Scorecard], bytes]) -> Callable[[Scorecard], bytes]:
        def rendered(card: Scorecard) -> bytes:
            key = kind, repr(card)
            if key not in _RENDERED:
                _RENDERED[key] = render(card)
            return _RENDERED[key]

        return rendered

    monkeypatch.setattr(messages, "pdf", once("pdf", messages.pdf))
    monkeypatch.setattr(messages, "chart", once("chart", messages.chart))


@pytest.fixture(scope="session")
def publication(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the published agency."""
    return agency.publish(agency.run_of(tmp_path_factory.mktemp("published")).home)


@pytest.fixture
def run(tmp_path: Path, publication: Path) -> Run:
    """An agency whose marts are published."""
    return agency.run_with(tmp_path, publication)
