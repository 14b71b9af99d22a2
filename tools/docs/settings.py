"""Every setting and KPI variable as a page: what it means, its default, and how it is set."""

from __future__ import annotations

import json
import re
from typing import Any

from amkpi.core.paths import DBT_PROJECT
from amkpi.core.settings import ENV_PREFIX, NOT_SETTINGS, KpiVariables, Settings, kpi_defaults
from tools.docs.markdown import code, table

# Variables that say where and when; the command line's options go before them.
_WHERE_AND_WHEN = {
    "HOME": ("`--home`", "the agency's folder: landing/, archive/, rejected/, state/, warehouse/, published/, outbox/"),
    "LANDING": ("`--landing`", "where extracts arrive; HOME/landing when nobody says"),
    "AS_OF": ("`--as-of`", "the run's date, YYYY-MM-DD; today in the setting `timezone` when nobody says"),
    "WAREHOUSE": ("", "the DuckDB file that dbt builds in, for dbt by hand; the pipeline sets it itself"),
}
_INTRO = f"""\
A setting is taken from its `{ENV_PREFIX}*` variable, else from `HOME/amkpi.toml`, else it has its default. A name that
nobody knows is an error: a typo never leaves a default in force unseen. A change of what shapes results gives a
publication of another id; nothing has to be deleted or run twice."""
_EXAMPLE_INTRO = "The defaults as `amkpi.toml`, to copy lines from; settings first, then the KPI variables:"
_COMMENT = re.compile(r"^  # (.+)$")
_VARIABLE = re.compile(r"^  (\w+):")


def page() -> str:
    """The page. Raises LookupError for a setting or variable that says nowhere what it means."""
    defaults = kpi_defaults()
    meanings = variable_meanings()
    own = {name: field for name, field in Settings.model_fields.items() if name != "kpi"}
    unknown = [name for name in KpiVariables.model_fields if name not in meanings]
    unknown += [name for name, field in own.items() if not field.description]
    unknown += sorted(NOT_SETTINGS ^ _WHERE_AND_WHEN.keys())
    if unknown:
        raise LookupError(
            f"no meaning of {', '.join(unknown)}: write the comment above it in dbt_project.yml, its Field's"
            " description in amkpi/core/settings.py, or a line in tools/docs/settings.py"
        )
    settings = [
        (code(name), code(text(field.default)), _sentence(str(field.description)), code(variable(name)), code(name))
        for name, field in own.items()
    ]
    variables = [
        (code(name), code(text(defaults[name])), meanings[name], code(variable(name)), code(f"kpi.{name}"))
        for name in KpiVariables.model_fields
    ]
    places = [(code(ENV_PREFIX + name), option, meaning) for name, (option, meaning) in _WHERE_AND_WHEN.items()]
    head = ("name", "default", "what it means", "environment", "amkpi.toml")
    return "\n\n".join(
        [
            "# Settings",
            _INTRO,
            "## How the pipeline runs",
            table(head, settings),
            "## The KPI variables",
            "They are dbt variables: their defaults stand in `dbt_project/dbt_project.yml`. In `amkpi.toml` they stand"
            " below `[kpi]`; their plain names at the top are taken too.",
            table(head, variables),
            "## Where and when",
            "Not settings: no file says them. An option of the command goes before its variable.",
            table(("environment", "option", "what it means"), places),
            "## Example",
            _EXAMPLE_INTRO,
            f"```toml\n{toml_example()}```",
        ]
    ) + "\n"  # fmt: skip


def _sentence(meaning: str) -> str:
    return meaning[0].upper() + meaning[1:]


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + name.upper()


def text(value: Any) -> str:
    """A value as its environment variable says it: lists with commas, bands as `A+:110`."""
    if isinstance(value, list | tuple):
        return ",".join(text(each) for each in value)
    if isinstance(value, dict):
        return f"{value['rating']}:{value['at_least']}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def toml_example() -> str:
    """The defaults as the settings file has them."""
    own = {name: field.default for name, field in Settings.model_fields.items() if name != "kpi"}
    lines = [f"{name} = {_toml(value)}" for name, value in own.items()]
    lines += ["", "[kpi]", *(f"{name} = {_toml(value)}" for name, value in kpi_defaults().items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(each) for each in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def variable_meanings() -> dict[str, str]:
    """What each dbt variable means: the comment lines above it in dbt_project.yml; none, no entry."""
    found: dict[str, str] = {}
    said: list[str] = []
    inside = False
    for line in (DBT_PROJECT / "dbt_project.yml").read_text(encoding="utf-8").splitlines():
        if re.match(r"^\w", line):
            inside = line.startswith("vars:")
        elif inside and (comment := _COMMENT.match(line)):
            said.append(comment[1])
        elif inside and (named := _VARIABLE.match(line)):
            if said:
                found[named[1]] = " ".join(said).rstrip(".")
            said = []
    return found
