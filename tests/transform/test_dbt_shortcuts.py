"""What is left out of dbt's work changes nothing that a build or its log shows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import duckdb
import pytest

from amkpi.transform import dbt_runner

# dbt takes seconds to import.
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _with_shortcuts() -> None:
    dbt_runner._import_dbt()


def test_an_event_has_its_message_when_it_is_read_and_not_before() -> None:
    from dbt_common.events.base_types import msg_from_base_event
    from dbt_common.events.types import Note

    event = Note(msg="rows: 7")
    assert "pb_msg" not in event.__dict__
    assert event.msg == "rows: 7"
    assert event.message() == "rows: 7"
    assert msg_from_base_event(event).info.msg == "rows: 7"
    event.msg = "rows: 8"
    assert event.to_dict() == {"msg": "rows: 8"}
    with pytest.raises(AttributeError):
        event.nothing  # noqa: B018 - the access is the test


def test_a_template_is_compiled_once_and_rendered_for_each_model() -> None:
    from dbt_common.clients.jinja import get_environment, get_template

    source = "select {{ column }} from {{ 1 + 1 }} -- seen by this test alone"
    one, other = (get_template(source, {"column": name}).render({"column": name}) for name in ("a", "b"))
    assert (one, other) == (source.replace("{{ column }}", "a").replace("{{ 1 + 1 }}", "2"),
                            source.replace("{{ column }}", "b").replace("{{ 1 + 1 }}", "2"))  # fmt: skip
    assert get_environment().compile(source) is get_environment().compile(source)
    assert get_environment(native=True).compile(source) is not get_environment().compile(source)


def test_the_table_of_a_statement_without_rows_is_empty() -> None:
    from dbt_common.clients import agate_helper

    assert len(agate_helper.empty_table().rows) == 0
    assert agate_helper.empty_table() is agate_helper.empty_table()


def test_the_settings_of_a_profile_are_set_once_in_a_run_and_anew_in_the_next() -> None:
    from dbt.adapters.duckdb.credentials import DuckDBCredentials
    from dbt.adapters.duckdb.environments import Environment

    with duckdb.connect() as connection:
        said: list[str] = []

        def limit_after(creds: DuckDBCredentials) -> str:
            cursor = Environment.initialize_cursor(creds, connection.cursor())
            said.append(str(cursor.execute("select current_setting('memory_limit')").fetchall()[0][0]))
            return said[-1]

        run, later = (DuckDBCredentials("memory", "main", settings={"memory_limit": size}) for size in ("1GiB", "2GiB"))
        assert limit_after(run) == "1.0 GiB"
        connection.execute("set memory_limit = '3GiB'")
        assert limit_after(run) == "3.0 GiB", "set again by another cursor of the same run"
        assert limit_after(later) == "2.0 GiB"
        assert run.settings == {"memory_limit": "1GiB"}


# Package -> names: the project's, and those of dbt and of its adapter. `twice` is in each.
MACROS = {"amkpi": ("own", "twice"), "dbt": ("statement", "twice", "var"), "dbt_duckdb": ("fast", "twice")}


def macros() -> dict[str, dict[str, Any]]:
    return {
        package: {
            name: SimpleNamespace(name=name, package_name=package, unique_id=f"{package}.{name}") for name in names
        }
        for package, names in MACROS.items()
    }


def builder(node: object = None, package: str = "amkpi") -> Any:
    from dbt.clients.jinja import MacroStack
    from dbt.context.macros import MacroNamespaceBuilder

    return MacroNamespaceBuilder("amkpi", package, MacroStack(), ["dbt_duckdb", "dbt"], node)


def test_every_macro_of_dbt_is_found_and_bound_when_it_is_read() -> None:
    from amkpi.transform.dbt_macros import Layouts

    found, context, node = macros(), {"a": "context"}, object()
    of_dbt = builder(node).build_namespace(found, context)
    mine = Layouts().bound(builder(node), found, context)
    assert not any(map(dict.__len__, (mine.local_namespace, mine.global_namespace, mine.global_project_namespace)))
    assert set(mine) == set(of_dbt) == {"own", "twice", "statement", "var", "fast", "amkpi", "dbt"}
    assert (mine["twice"].macro, mine["twice"].context, mine["twice"].node) == (found["amkpi"]["twice"], context, node)
    places = [(None, "fast"), ("dbt", "twice"), ("dbt", "var"), ("amkpi", "own"), ("amkpi", "var"), (None, "nothing")]
    for place in places:
        of_mine, expected = mine.get_from_package(*place), of_dbt.get_from_package(*place)
        assert (of_mine and of_mine.macro) is (expected and expected.macro), place
    assert {name: each.macro for name, each in dict(mine["dbt"]).items()} == {
        name: each.macro for name, each in of_dbt["dbt"].items()
    }
    assert "nothing" not in mine
    with pytest.raises(Exception, match="nowhere"):
        mine.get_from_package("nowhere", "own")


def test_a_macro_that_was_added_or_replaced_is_seen_in_the_next_context() -> None:
    from amkpi.transform.dbt_macros import Layouts

    layouts, found = Layouts(), macros()
    known = layouts.bound(builder(), found, {})
    assert "added" not in known
    # A macro of dbt itself has contexts too, in which no package is its own. They do not displace each other.
    assert list(layouts.bound(builder(package="dbt"), found, {}).local_namespace) == []
    assert layouts.bound(builder(), found, {}).names is known.names
    found["amkpi"] |= {name: SimpleNamespace(name=name, package_name="amkpi") for name in ("added", "own")}
    bound = layouts.bound(builder(), found, {})
    assert bound["added"].macro is found["amkpi"]["added"]
    assert bound["own"].macro is found["amkpi"]["own"]


def test_in_a_context_a_macro_has_precedence_over_what_dbt_has_under_its_name() -> None:
    from dbt.clients.jinja import get_rendered
    from dbt.context.manifest import ManifestContext

    from amkpi.transform.dbt_macros import forget_contexts

    class Context(ManifestContext):  # type: ignore[misc]
        def _get_namespace_builder(self) -> Any:
            return builder()

    found = macros()
    manifest = SimpleNamespace(get_macros_by_package=lambda: found)
    context = Context(MagicMock(), manifest, "amkpi").to_dict()
    assert context["var"].macro is found["dbt"]["var"]
    assert context["context"] is context
    assert context["env_var"].__name__ == "env_var"
    assert "own" in context
    assert context.get("own").context is context
    assert context.get("nothing") is None
    # The argument of a test is rendered in the context itself.
    made = dict.__len__(context)
    assert get_rendered("{{ dbt_version }}", context, native=True) == context["dbt_version"]
    assert dict.__len__(context) == made, "macros were bound that nobody calls"
    assert dict(**context)["fast"].macro is found["dbt_duckdb"]["fast"]
    # After a run nothing holds a context, and its macros hold none.
    generator = context["fast"]
    forget_contexts()
    assert (len(context), len(generator.context)) == (0, 0)


def test_a_macro_is_made_once_in_a_context() -> None:
    from dbt.clients.jinja import MacroGenerator

    sql = "{% macro twice(of) %}{{ of }}{{ of }}{{ mark }}{{ caller() if caller }}{% endmacro %}"
    macro = SimpleNamespace(name="twice", macro_sql=sql, unique_id="macro.amkpi.twice")
    context = {"mark": "!"}
    one, other = MacroGenerator(macro, context), MacroGenerator(macro, {"mark": "?"})
    assert one.get_macro() is one.get_macro()
    assert (one("a"), other("a"), one("b"), one(of=1)) == ("aa!", "aa?", "bb!", "11!")
    context["mark"] = "."
    assert one("a") == "aa."
    one.context = other.context
    assert one("a") == "aa?"


def test_an_environment_is_made_once_but_not_to_name_what_a_template_lacks() -> None:
    from dbt_common.clients import jinja

    assert jinja.get_environment("a node") is jinja.get_environment("another node")
    assert jinja.get_environment(native=True) is not jinja.get_environment()
    assert jinja.get_environment("a node", capture_macros=True) is not jinja.get_environment("a node", True)


def test_plugins_of_dbt_are_looked_for_once() -> None:
    from dbt.plugins.manager import PluginManager

    found = PluginManager.get_prefixed_modules()
    assert "dbt_common" in found
    assert PluginManager.get_prefixed_modules() is found


def test_a_variable_is_rendered_only_if_it_is_a_template() -> None:
    from dbt.context.base import Var

    variable = Var({"two": 2}, {"day": "2026-10-17", "number": 7, "template": "{{ two + 1 }}"})
    assert [variable(name) for name in ("day", "number", "template")] == ["2026-10-17", 7, "3"]


def test_what_each_context_of_a_run_has_is_made_once_and_may_be_changed_in_one() -> None:
    from dbt.context import base, providers

    assert base.get_context_modules() is base.get_context_modules()
    one = providers.args_to_dict(SimpleNamespace(select="a"))
    assert one["select"] == "a"
    one["select"] = "b"
    assert providers.args_to_dict(SimpleNamespace(select="c"))["select"] == "c"
    args = SimpleNamespace(select="d")
    providers.args_to_dict(args)["select"] = "e"
    assert providers.args_to_dict(args)["select"] == "d"


def test_a_behaviour_flag_knows_the_module_that_made_it() -> None:
    from dbt_common.behavior_flags import Behavior

    flag = Behavior([{"name": "f", "default": True, "description": "d"}], {}).f
    assert flag._behavior_change_event.flag_source == __name__
