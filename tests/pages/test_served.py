"""The pages as the server shows them: the same as in a folder, and only to who has signed in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from amkpi.access.names import Names, StaffMember
from amkpi.access.reader import Reader, reader_of
from amkpi.core.run import Run
from amkpi.interfaces.web.application import SESSION_MARK, Application
from amkpi.interfaces.web.sign_in import SECURE_COOKIE, standing
from amkpi.pages.site import Site
from amkpi.scorecards.mail.smtp import Server
from tests.changed_settings import changed
from tests.pages.conftest import some_periods

URL = "https://kpi.agency.example"


@pytest.fixture(scope="module")
def application(run: Run, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """A server that sees the publications, and a folder of its own for its state."""
    home = replace(run.home, root=tmp_path_factory.mktemp("served"))
    home.published.symlink_to(run.home.published)
    served = replace(run, home=home, settings=changed(run.settings, pages_url=URL))
    return Application(served, lambda file, settings: Addressed(file, settings, some_periods), lambda: Server("none"))


class Addressed(Site):
    """A site in which everybody has an address: the random agency gives nobody one."""

    @property
    def names(self) -> Names:
        people = super().names.people
        return replace(
            super().names, people={key: replace(one, email=address_of(one, people)) for key, one in people.items()}
        )


def address_of(person: StaffMember, people: Mapping[str, StaffMember]) -> str:
    return f"p{list(people).index(person.staff_id)}@agency.example"


def readers(site: Site, run: Run) -> list[tuple[str, Reader]]:
    """Everybody who may read anything, with the address."""
    people = site.names.people
    found = [(address_of(one, people), reader_of(site.names, one.staff_id, run.settings)) for one in people.values()]
    return [(address, reader) for address, reader in found if reader is not None]


@pytest.mark.slow
def test_every_page_of_every_reader_is_served_and_none_of_another_one(
    application: Application, site: Site, run: Run
) -> None:
    everybody = readers(site, run)
    assert len(everybody) > 2
    every_path = sorted({str(path) for _, reader in everybody for path in site.paths(reader)})
    with TestClient(application.asgi, base_url=URL, follow_redirects=False) as client:
        for address, reader in everybody[:4]:
            token = application.sign_ins.open_session(address, standing(reader), 1)
            client.cookies.set(SECURE_COOKIE, token, domain="kpi.agency.example")
            own = {str(path) for path in site.paths(reader)}
            wanted = [path for path in every_path if path.endswith((".html", ".csv"))][:: max(1, len(every_path) // 60)]
            for path in wanted:
                answer = client.get("/" + path.replace("%", "%25"))
                assert answer.status_code == (200 if path in own else 404), (reader.staff_id, path)
                assert SESSION_MARK not in answer.content
                if path.endswith(".html") and answer.status_code == 200 and "/" in path:
                    assert "sign-out" in answer.text
                    assert not re.search(
                        r"<style|\sstyle=|<script(?! src=)|\son[a-z]+=|(?:src|href)=\"https?:", answer.text
                    )
    assert Path(application.run.home.state / "access").is_dir()
