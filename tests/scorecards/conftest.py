"""What the tests of scorecards share: a published agency, made once and copied."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from amkpi.core.run import Run
from tests.scorecards import agency


@pytest.fixture(scope="session")
def publication(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the published agency."""
    return agency.publish(agency.run_of(tmp_path_factory.mktemp("published")).home)


@pytest.fixture
def run(tmp_path: Path, publication: Path) -> Run:
    """An agency whose marts are published."""
    made = agency.run_of(tmp_path)
    file = made.home.published / publication.name
    shutil.copy(publication, file)
    made.home.current.symlink_to(file.name)
    return made
