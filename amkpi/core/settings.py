"""Settings in groups: agencies.toml for its agencies, `AMKPI_*` variables, then HOME/amkpi.toml, then the defaults.

Each setting has a name in its group (`retention.publications`: the table [retention] of the file, the variable
AMKPI_RETENTION__PUBLICATIONS) and a flat name (`keep_publications`, AMKPI_KEEP_PUBLICATIONS). Both are accepted. An
unknown name is an error, so that a typo never leaves a default in force.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from amkpi.core.agencies import Agencies, current_agencies
from amkpi.core.catalogue import YAML_LOADER
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.paths import DBT_PROJECT
from amkpi.core.setting_groups.group import RESULT_NEUTRAL, FlatName, Group
from amkpi.core.setting_groups.pipeline import (
    Audit,
    Build,
    Closing,
    KpiVariables,
    Landing,
    Retention,
    Schedule,
    Storage,
)
from amkpi.core.setting_groups.readers import Mail, Pages, Parquet, Postgres, Scorecards

ENV_PREFIX = "AMKPI_"
# Between the group and the name in a variable.
DELIMITER = "__"
# Variables that say where and when, and a secret. The command line reads them, and dbt's profile the warehouse.
NOT_SETTINGS = frozenset({"HOME", "LANDING", "AS_OF", "WAREHOUSE", "MCP_TOKEN", "AGENCIES"})


class Settings(BaseSettings):
    """How the pipeline runs. `load_settings` reads them; the constructor takes values and looks nowhere else."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENV_PREFIX, env_nested_delimiter=DELIMITER, validate_default=False
    )
    timezone: str = Field(
        default="Asia/Ho_Chi_Minh", description="the agency's time zone: for today, and for moments without an offset"
    )
    landing: Landing = Landing()
    storage: Storage = Storage()
    build: Build = Build()
    retention: Retention = Retention()
    audit: Audit = Audit()
    scorecards: Scorecards = Scorecards()
    mail: Mail = Mail()
    pages: Pages = Pages()
    postgres: Postgres = Postgres()
    parquet: Parquet = Parquet()
    schedule: Schedule = Schedule()
    closing: Closing = Closing()
    kpi: KpiVariables

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values that are given, then dbt's defaults of the KPI variables. Not the environment of the process."""
        return init_settings, InitSettingsSource(settings_cls, {"kpi": kpi_defaults()})

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("not a time zone; write it as in Asia/Ho_Chi_Minh") from error
        return value

    def today(self) -> date:
        """The date it is in the agency's time zone."""
        return datetime.now(self.zone).date()

    @property
    def zone(self) -> ZoneInfo:
        """The agency's time zone."""
        return ZoneInfo(self.timezone)

    def fingerprint_fields(self) -> dict[str, Any]:
        """The settings that the content of a publication depends on, JSON-ready."""
        neutral: dict[str, set[str]] = {}
        for setting in all_settings():
            if not setting.shapes_results:
                neutral.setdefault(setting.group, set()).add(setting.name)
        values = self.model_dump(mode="json", exclude=neutral)
        return {name: value for name, value in values.items() if value != {}}


@dataclass(frozen=True)
class Setting:
    """One setting: its group (empty for one without), its name there, and its field."""

    group: str
    name: str
    field: FieldInfo

    @property
    def path(self) -> tuple[str, ...]:
        """The keys that lead to its value."""
        return (self.group, self.name) if self.group else (self.name,)

    @property
    def flat_name(self) -> str:
        """Its name outside the group."""
        return next((mark.name for mark in self.field.metadata if isinstance(mark, FlatName)), self.name)

    @property
    def shapes_results(self) -> bool:
        """Whether a change of it can change a row of a publication."""
        return RESULT_NEUTRAL not in self.field.metadata

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return _variable(self.path)


def _variable(path: tuple[str, ...]) -> str:
    return ENV_PREFIX + DELIMITER.join(path).upper()


def all_settings() -> Iterator[Setting]:
    """Every setting and KPI variable, in the order of the documentation."""
    for group, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
            yield from (Setting(group, name, each) for name, each in field.annotation.model_fields.items())
        else:
            yield Setting("", group, field)


def kpi_defaults() -> dict[str, Any]:
    """The KPI variables' defaults, as dbt_project.yml has them."""
    project = _project((DBT_PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    return {name: value for name, value in project["vars"].items() if name in KpiVariables.model_fields}


# To parse it takes as long as all else that reads the settings.
@lru_cache(maxsize=8)
def _project(text: str) -> dict[str, Any]:
    project: dict[str, Any] = yaml.load(text, Loader=YAML_LOADER)
    return project


def load_settings(home: Home, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of this home.

    environment: the variables to read, `os.environ` when None; with AMKPI_AGENCIES, what that file says of this home
    goes before them. Raises AmkpiError that names the setting and the fix.
    """
    environment = os.environ if environment is None else environment
    in_file = _resolve((str(home.settings_file), name, value) for name, value in _flattened(_read_file(home)))
    variables = _resolve(
        (variable, variable.removeprefix(ENV_PREFIX).lower().replace(DELIMITER, "."), text)
        for variable, text in sorted(environment.items())
        if variable.startswith(ENV_PREFIX) and variable.removeprefix(ENV_PREFIX) not in NOT_SETTINGS
    )
    agencies = current_agencies(environment)
    if agencies is not None:
        variables |= _of_agency(agencies, home, variables)
    source = EnvSettingsSource(Settings)
    source.env_vars = {_variable(path).lower(): given.value for path, given in variables.items()}
    values: dict[str, Any] = {}
    for (*group, name), given in in_file.items():
        (values.setdefault(group[0], {}) if group else values)[name] = given.value
    for name, value in source().items():
        values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
    try:
        return Settings(**values)
    except ValidationError as error:
        problem = error.errors()[0]
        path = tuple(map(str, problem["loc"]))
        guilty = next((given for key, given in (in_file | variables).items() if path[: len(key)] == key), None)
        where, name = (guilty.origin, guilty.name) if guilty else ("the settings", ".".join(path))
        secrets = {setting.path for setting in all_settings() if setting.field.annotation is SecretStr}
        # pydantic's own error repeats the value too.
        if path[:2] in secrets:
            raise AmkpiError(f"{where}: setting {name}: {problem['msg']}") from None
        form = _form(path, name)
        raise AmkpiError(f"{where}: setting {name} = {problem['input']!r}: {problem['msg']}{form}") from error


def _of_agency(
    group: Agencies, home: Home, variables: Mapping[tuple[str, ...], _Given]
) -> dict[tuple[str, ...], _Given]:
    """What agencies.toml says of this home, and the variables that would make two agencies write into one place.

    Raises AmkpiError for a database that all would share.
    """
    agency = group.of_home(home)
    if agency is None:
        return {}
    found: dict[tuple[str, ...], _Given] = {}
    for folder in (("storage", "backup_dir"), ("build", "lake")):
        if (given := variables.get(folder)) and given.value:
            found[folder] = _Given(given.origin, given.name, f"{given.value.rstrip('/')}/{agency.code}")
    for database in (("postgres", "url"), ("postgres", "url_file")):
        if (given := variables.get(database)) and given.value:
            raise AmkpiError(
                f"{given.origin}: all agencies of {group.file} would write into one database: remove the variable, and"
                f" give each agency a database of its own in its amkpi.toml ({home.settings_file})"
            )
    of_file: dict[tuple[str, ...], str | None] = {("timezone",): agency.timezone, ("build", "engine"): agency.engine}
    for path, value in of_file.items():
        if value is not None:
            found[path] = _Given(str(group.file), f"{path[-1]} of the agency {agency.code}", value)
    return found


def _form(path: tuple[str, ...], name: str) -> str:
    """How a list is written, for a setting that is one: what pydantic says of its parts does not help."""
    setting = next((each for each in all_settings() if each.path == path[:2]), None)
    if setting is None or "tuple" not in str(setting.field.annotation):
        return ""
    if "RatingBand" in str(setting.field.annotation):
        one = '{rating = "A", at_least = 95}'
        return f"; write {name} = [{one}, …], or as a variable A:95,B:80"
    return f'; write {name} = ["one", "two"], or as a variable one,two'


@dataclass(frozen=True)
class _Given:
    """A value as it was given: where, under which name."""

    origin: str
    name: str
    value: Any


def _read_file(home: Home) -> dict[str, Any]:
    """HOME/amkpi.toml, empty where there is none. Raises AmkpiError."""
    if not home.settings_file.is_file():
        return {}
    try:
        with home.settings_file.open("rb") as file:
            return tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AmkpiError(f"{home.settings_file}: not valid TOML: {error}") from error
    except OSError as error:
        raise AmkpiError(f"{home.settings_file}: cannot be read: {error.strerror}") from error


def _flattened(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each value by its name, `group.name` in a table."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", each) for inner, each in value.items())
        else:
            yield name, value


def _resolve(values: Iterable[tuple[str, str, Any]]) -> dict[tuple[str, ...], _Given]:
    """Values by the path of their setting, from (origin, name, value). Raises AmkpiError for an unknown name."""
    known = {name: setting for setting in all_settings() for name in (setting.flat_name, ".".join(setting.path))}
    found: dict[tuple[str, ...], _Given] = {}
    for origin, name, value in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}"
            raise AmkpiError(f"{origin}: no setting {name}{hint}")
        before = found.setdefault(known[name].path, _Given(origin, name, value))
        if before.name != name:
            raise AmkpiError(f"{origin}: {before.name} and {name} are the same setting; remove one of them")
    return found
