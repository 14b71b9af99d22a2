"""Which publication is the current one."""

from __future__ import annotations

from pathlib import Path

import pytest

from amkpi.core.home import Home
from amkpi.core.publication_id import current_file, is_current, published_file
from amkpi.core.storage import published_hashes

ID = "0f" * 8


@pytest.mark.parametrize("way", ["home", "link", "home/../home"])
def test_the_current_publication_is_known_by_every_path_of_home(tmp_path: Path, way: str) -> None:
    home = Home.at(tmp_path / "home")
    home.make()
    (tmp_path / "link").symlink_to(home.root)
    given = Home.at(tmp_path / way)
    assert current_file(given) is None
    file = published_file(home, ID)
    file.write_bytes(b"published")
    published_hashes.record(home, file)
    home.current.symlink_to(file.name)
    assert current_file(given) == published_file(given, ID)
    assert is_current(given, ID)
    assert not is_current(given, "ab" * 8)
