"""A server of pages on a temporary home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amkpi.core.home import Home
from tests.interfaces.web.serving import Postbox, Serving, Start, settings_of


@pytest.fixture(scope="session")
def running_postbox() -> Iterator[Postbox]:
    postbox = Postbox()
    postbox.start()
    yield postbox
    postbox.stop()


@pytest.fixture
def postbox(running_postbox: Postbox) -> Postbox:
    running_postbox.taken.clear()
    running_postbox.answer = "250 taken"
    return running_postbox


@pytest.fixture
def start(tmp_path: Path, postbox: Postbox) -> Start:
    """Start a server: settings of the group `pages` in, a Serving with the publication A out."""

    def begin(transport: Any = None, **pages: Any) -> Serving:
        serving = Serving(Home.at(tmp_path), settings_of(**pages), postbox, transport=transport)
        serving.publish("A")
        return serving

    return begin


@pytest.fixture
def serving(start: Start) -> Serving:
    return start()
