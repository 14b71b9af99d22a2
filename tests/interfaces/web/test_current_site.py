"""The site that is lent to requests is that of the current file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from amkpi.core.home import Home
from amkpi.core.settings import load_settings
from amkpi.interfaces.web.current_site import CurrentSite


class Opened:
    """A site that only says what its file had."""

    def __init__(self, file: Path, _: object) -> None:
        self.content = file.read_text()

    def prepare(self) -> None:
        """Nothing is read."""

    def close(self) -> None:
        """Nothing is open."""


def test_a_file_that_an_erasure_has_written_again_under_its_name_is_opened_again(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.make()
    file = home.published / "kpi_a.duckdb"
    file.write_text("with names")
    home.current.symlink_to(file.name)
    site = CurrentSite(home, load_settings(home, {}), cast("Any", Opened))
    shown = []
    for _ in range(2):
        with site.lent() as opened:
            shown.append(cast("Any", opened.site).content)
        partial = file.with_suffix(".part")
        partial.write_text("without")
        partial.replace(file)
    site.close()
    assert shown == ["with names", "without"]
