"""Every setting and KPI variable as a page: what it means, its default, and how it is set."""

from __future__ import annotations

import json
import re
from inspect import cleandoc
from itertools import groupby
from typing import Any

from pydantic import SecretStr

from amkpi.core.paths import DBT_PROJECT
from amkpi.core.settings import ENV_PREFIX, NOT_SETTINGS, Setting, Settings, all_settings, kpi_defaults
from tools.docs.markdown import code, table

# Variables that say where and when. An option of the command wins over its variable.
_WHERE_AND_WHEN = {
    "HOME": ("`--home`", "the agency's folder: landing/, archive/, rejected/, state/, warehouse/, published/, outbox/"),
    "LANDING": ("`--landing`", "where extracts arrive; HOME/landing if it is not given"),
    "AS_OF": ("`--as-of`", "the run's date, YYYY-MM-DD; today in the setting `timezone` if it is not given"),
    "MCP_TOKEN": ("", "what a client of `amkpi mcp --http` sends as its bearer token; a new one is printed without it"),
    "AGENCIES": ("", "the file agencies.toml of a group: many agencies in one Airflow"),
    "WAREHOUSE": ("", "the DuckDB file that dbt builds in, for dbt by hand; the pipeline sets it itself"),
}
_INTRO = f"""\
A setting is taken from its variable, else from `HOME/amkpi.toml`, else it has its default. In the file a setting is in
the table of its group: `publications` of `[retention]`. Its variable has two underscores after the group:
`{ENV_PREFIX}RETENTION__PUBLICATIONS`. Each setting has a flat name too, which the file accepts outside of any table
(`keep_publications = 7`) and the environment as a variable (`{ENV_PREFIX}KEEP_PUBLICATIONS`). Both mean the same.

An unknown name is an error, so a typo never leaves a default in force. Settings that can change a result are part of
the publication id: after a change the next run publishes anew, and nothing has to be deleted or run twice. The others
are marked in the column *results*.

In a group, `agencies.toml` goes before all of them for the time zone and the engine of an agency, and a variable counts
for every agency: what is one agency's own (`operator_email`) belongs into its `HOME/amkpi.toml`. The folders of the
variables {ENV_PREFIX}BACKUP_DIR and {ENV_PREFIX}LAKE get a folder for each agency, and an address of PostgreSQL cannot
be a variable there ([operations/agencies.md](operations/agencies.md))."""
_EXAMPLE_INTRO = "The defaults as `amkpi.toml`, to copy lines from:"
_KPI_INTRO = "These are dbt variables. Their defaults are in `dbt_project/dbt_project.yml`."
_COMMENT = re.compile(r"^  # (.+)$")
_VARIABLE = re.compile(r"^  (\w+):")
_HEAD = ("name", "default", "what it means", "results", "environment", "flat name, accepted too")


def page() -> str:
    """The page. Raises LookupError for a setting or variable without a meaning."""
    settings = list(all_settings())
    unknown = [setting.name for setting in settings if not meaning(setting)] + sorted(
        NOT_SETTINGS ^ _WHERE_AND_WHEN.keys()
    )
    if unknown:
        raise LookupError(
            f"no meaning of {', '.join(unknown)}: write the comment above it in dbt_project.yml, its Field's"
            " description in amkpi/core/setting_groups/, or a line in tools/docs/settings.py"
        )
    parts = ["# Settings", _INTRO]
    for group, members in groupby(settings, key=lambda setting: setting.group):
        if group:
            about = str(getattr(Settings.model_fields[group].annotation, "__doc__", ""))
            parts += [f"## `[{group}]`", _KPI_INTRO if group == "kpi" else cleandoc(about)]
        else:
            parts += ["## Without a group"]
        parts.append(table(_HEAD, [_row(setting) for setting in members]))
    places = [(code(ENV_PREFIX + name), option, what) for name, (option, what) in _WHERE_AND_WHEN.items()]
    parts += [
        "## Where and when",
        "These are no settings: the file cannot give them. An option of the command wins over its variable.",
        table(("environment", "option", "what it means"), places),
        "## Example",
        _EXAMPLE_INTRO,
        f"```toml\n{toml_example()}```",
    ]
    return "\n\n".join(parts) + "\n"


def _row(setting: Setting) -> tuple[str, ...]:
    return (
        code(setting.name),
        code(text(default(setting))),
        meaning(setting)[0].upper() + meaning(setting)[1:],
        "" if setting.shapes_results else "unchanged",
        code(setting.variable),
        "" if setting.flat_name == ".".join(setting.path) else code(setting.flat_name),
    )


def meaning(setting: Setting) -> str:
    """What a setting means; empty where nobody wrote it."""
    if setting.group == "kpi":
        return variable_meanings().get(setting.name, "")
    return setting.field.description or ""


def default(setting: Setting) -> Any:
    """The default of a setting."""
    found = kpi_defaults()[setting.name] if setting.group == "kpi" else setting.field.default
    return found.get_secret_value() if isinstance(found, SecretStr) else found


def text(value: Any) -> str:
    """A value as its environment variable says it: lists with commas, bands as `A+:110`."""
    if isinstance(value, list | tuple):
        return ",".join(text(each) for each in value)
    if isinstance(value, dict):
        return f"{value['rating']}:{value['at_least']}"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def toml_example() -> str:
    """The defaults as the settings file has them."""
    lines: list[str] = []
    for group, members in groupby(all_settings(), key=lambda setting: setting.group):
        lines += ["", f"[{group}]"] if group else []
        lines += [f"{setting.name} = {_toml(default(setting))}" for setting in members]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(each) for each in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + "}"
    return json.dumps("none" if value is None else value, ensure_ascii=False)


def variable_meanings() -> dict[str, str]:
    """What each dbt variable means: the comment lines above it in dbt_project.yml; none, no entry."""
    found: dict[str, str] = {}
    comments: list[str] = []
    inside = False
    for line in (DBT_PROJECT / "dbt_project.yml").read_text(encoding="utf-8").splitlines():
        if re.match(r"^\w", line):
            inside = line.startswith("vars:")
        elif inside and (comment := _COMMENT.match(line)):
            comments.append(comment[1])
        elif inside and (named := _VARIABLE.match(line)):
            if comments:
                found[named[1]] = " ".join(comments).rstrip(".")
            comments = []
    return found
