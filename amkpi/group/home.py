"""The folder of a group: `group/` beside agencies.toml. It has the layout of an agency's HOME, without its inputs."""

from __future__ import annotations

from pathlib import Path

from amkpi.core.agencies import Agencies
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.settings import Settings, load_settings
from amkpi.core.storage import permissions


class GroupHome(Home):
    """The folder of a group."""

    run_command = "amkpi group build"
    warehouse_remedy = f"remove it: `{run_command}` makes a new one from what the agencies have published"

    @property
    def current(self) -> Path:
        """The link that readers open."""
        return self.published / "group.duckdb"

    def make(self) -> None:
        """Create the folders that a build writes. Raises AmkpiError if one cannot be created."""
        for folder, mode in (
            (self.state, permissions.PRIVATE),
            (self.warehouse.parent, permissions.PRIVATE),
            (self.published, permissions.OPEN),
        ):
            try:
                permissions.make_folder(folder, mode)
            except PermissionError as error:
                raise AmkpiError(permissions.describe(folder)) from error
            except OSError as error:
                raise AmkpiError(f"cannot create the folder {folder}: {error.strerror}") from error


def group_home(agencies: Agencies) -> GroupHome:
    """The folder of the group of a file agencies.toml. Raises AmkpiError where it is that of an agency."""
    home = GroupHome.at(agencies.file.parent / "group")
    agency = agencies.of_home(home)
    if agency is not None:
        raise AmkpiError(
            f"{agencies.file}: agency {agency.code}: home: {home.root} is the folder of the group; give the agency"
            " another one"
        )
    return home


def group_settings(agencies: Agencies) -> Settings:
    """The settings of the group: AMKPI_* variables and group/amkpi.toml; the currency is that of agencies.toml.

    Raises AmkpiError.
    """
    settings = load_settings(group_home(agencies))
    currency = agencies.reporting_currency
    return settings.model_copy(update={"kpi": settings.kpi.model_copy(update={"reporting_currency": currency})})


def group_run(agencies: Agencies) -> Run:
    """The group in the place of an agency. Raises AmkpiError."""
    settings = group_settings(agencies)
    return Run(group_home(agencies), settings, settings.today())
