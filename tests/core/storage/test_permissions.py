"""Private folders are private whatever the umask, and a refusal says whose the path is."""

from __future__ import annotations

import grp
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.storage import permissions
from tests.command_line import amkpi, failed

ME = os.geteuid()


@pytest.fixture(params=[0o000, 0o027, 0o077], ids=["open umask", "group umask", "private umask"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_new_folders_have_their_mode_whatever_the_umask(umask: None, tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.make()
    private = (home.archive, home.rejected, home.state, home.closed, home.warehouse.parent, home.audits)
    assert {mode(folder) for folder in private} == {0o700}
    assert mode(home.published) == mode(home.landing) == 0o755


def test_of_a_private_folder_that_exists_others_lose_their_rights_and_a_group_keeps_them(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    for folder, given in ((home.state, 0o775), (home.published, 0o750), (home.landing, 0o777)):
        folder.mkdir()
        folder.chmod(given)
    home.make()
    assert (mode(home.state), mode(home.published), mode(home.landing)) == (0o770, 0o750, 0o777)


def test_a_published_file_is_for_everybody_or_for_one_group(tmp_path: Path) -> None:
    file, group = tmp_path / "kpi.duckdb", grp.getgrgid(os.getegid()).gr_name
    file.touch(0o600)
    permissions.share(file, "")
    assert mode(file) == 0o444
    tmp_path.chmod(0o755)
    permissions.share(tmp_path, "")
    assert mode(tmp_path) == 0o755
    for path in (file, tmp_path):
        permissions.share(path, group)
        assert path.group() == group
    assert (mode(file), mode(tmp_path)) == (0o440, 0o750)
    with pytest.raises(AmkpiError, match=r"setting published_group: .* cannot be given to the group 'nobody here'"):
        permissions.share(file, "nobody here")


@pytest.mark.skipif(ME != 0, reason="only root can give a folder to somebody else")
def test_a_refusal_names_path_owner_and_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, -1)
    text = permissions.describe(folder / "alerts.sqlite")
    assert text == (
        f"permission denied: {folder}/alerts.sqlite; {folder} belongs to nobody (drwx------), and this runs as root:"
        " run amkpi as nobody, or let nobody give root the right"
    )
    assert "chmod u+rwX" in permissions.describe(tmp_path)


def test_a_command_that_is_refused_is_one_line_also_where_duckdb_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import duckdb

    file = tmp_path / "kpi_1.duckdb"
    file.touch()
    for error in (
        PermissionError(13, "Permission denied", str(file)),
        duckdb.IOException(f'IO Error: Cannot open file "{file}": Permission denied'),
    ):

        def refused(run: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("amkpi.pipeline.status.read_status", refused)
        assert failed(amkpi(tmp_path, "status"), 1).startswith(f"amkpi: permission denied: {file}; {file} belongs to")
    assert permissions.refusal(OSError(28, "No space left on device", str(file))) is None
