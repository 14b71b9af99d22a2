"""The site that is lent to requests is that of the current file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from amkpi.access.names import Names
from amkpi.core.home import Home
from amkpi.core.settings import load_settings
from amkpi.interfaces.web.current_site import CurrentSite, OpenedSite
from tests.access.agencies import names_of, person


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


@dataclass
class Held:
    """Addresses of which all are held, or none, and the version of what was confirmed."""

    are_held: bool
    at: tuple[int, int] | None

    def version(self) -> tuple[int, int] | None:
        return self.at

    def reachable(self, names: Names) -> Names:
        people = (
            {key: replace(each, email=None) for key, each in names.people.items()} if self.are_held else names.people
        )
        return replace(names, people=people)


def test_an_address_is_held_until_it_is_confirmed_and_again_where_nothing_is_confirmed(tmp_path: Path) -> None:
    addresses = Held(are_held=True, at=None)
    site = SimpleNamespace(names=names_of(person("M")))
    opened = OpenedSite((tmp_path, 1), cast("Any", site), load_settings(Home.at(tmp_path), {}), cast("Any", addresses))
    assert opened.reader("m@agency.example") is None
    addresses.are_held, addresses.at = False, (1, 1)
    found = opened.reader("m@agency.example")
    assert found is not None
    assert found.staff_id == "M"
    addresses.are_held, addresses.at = True, None
    assert opened.reader("m@agency.example") is None
