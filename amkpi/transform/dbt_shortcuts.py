"""What dbt does in every build, and neither the build nor its log needs. It took a third of a small build.

Each shortcut replaces one function of dbt by one with the same result. The version of dbt is locked; a version that
lacks such a function fails here, and not silently.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from typing import Any

# The templates of the project, of its macros and of those of dbt that a build calls are 250.
_MOST_TEMPLATES = 1_000


@cache
def take_shortcuts() -> None:
    """Replace the functions, once in a process. It imports dbt, which takes seconds."""
    from dbt.adapters.duckdb.environments import Environment
    from dbt.compilation import Linker
    from dbt.context import base, providers
    from dbt.plugins.manager import PluginManager
    from dbt_common.behavior_flags import BehaviorFlagRendered
    from dbt_common.clients import jinja
    from dbt_common.events.base_types import BaseEvent

    from amkpi.transform.dbt_macros import bind_macros_when_read

    _make_messages_when_read(BaseEvent)
    _compile_templates_once(jinja.MacroFuzzEnvironment)
    _make_environments_once(jinja)
    _make_macros_once_in_a_context(jinja.BaseMacroGenerator)
    bind_macros_when_read(_replace)
    _share_the_empty_table()
    # Every folder of the Python path is listed for them.
    _replace(PluginManager, "get_prefixed_modules", staticmethod(cache(PluginManager.get_prefixed_modules)))
    # The functions of Python's modules that templates may call.
    _replace(base, "get_context_modules", cache(base.get_context_modules))
    _share_the_arguments_of_a_run(providers)
    _set_the_memory_limit_once(Environment)
    _replace(BehaviorFlagRendered, "_default_source", staticmethod(_calling_module))
    # A diagnostic file for developers of dbt; all nodes are serialized for it, twice.
    _replace(Linker, "get_graph_summary", lambda self, manifest: {})


def _replace(owner: Any, name: str, by: Any) -> None:
    """Raises AttributeError if there is no such function."""
    getattr(owner, name)
    setattr(owner, name, by)


def _make_messages_when_read(event: Any) -> None:
    """An event makes its message when somebody reads it: of 2,000 events in a build, 1,700 are dropped unread."""
    make = event.__init__

    def keep(self: Any, *args: Any, **fields: Any) -> None:
        if args:
            make(self, *args, **fields)
        else:
            object.__setattr__(self, "_fields", fields)

    def read(self: Any, name: str) -> Any:
        if name == "_fields":
            raise AttributeError(name)
        if name == "pb_msg":
            make(self, **self._fields)
            return self.__dict__["pb_msg"]
        return getattr(self.pb_msg, name)

    _replace(event, "__init__", keep)
    _replace(event, "__getattr__", read)


def _compile_templates_once(environment: Any) -> None:
    """The same text is compiled once in a process. Naming the causes of a change builds several times."""
    compile_, codes = environment.compile, dict[tuple[type, str], Any]()

    def compile_once(self: Any, source: Any, name: Any = None, filename: Any = None, *rest: Any, **named: Any) -> Any:
        if not isinstance(source, str) or name or filename or rest or any(named.values()):
            return compile_(self, source, name, filename, *rest, **named)
        code = codes.get((type(self), source))
        if code is None:
            if len(codes) >= _MOST_TEMPLATES:
                codes.clear()
            code = codes[type(self), source] = compile_(self, source)
        return code

    _replace(environment, "compile", compile_once)


def _make_environments_once(jinja: Any) -> None:
    """An environment depends on the node of its template only where it is to name undefined macros: dbt parses then."""
    make = jinja.get_environment
    make_once = cache(lambda native: make(native=native))

    def environment(node: Any = None, capture_macros: bool = False, native: bool = False) -> Any:
        return make(node, capture_macros, native) if capture_macros else make_once(native)

    _replace(jinja, "get_environment", environment)


def _make_macros_once_in_a_context(generator: Any) -> None:
    """A model calls the same macro up to a hundred times. dbt makes it for each call: its template is run for that."""
    make = generator.get_macro

    def macro(self: Any) -> Any:
        context, made = self.__dict__.get("_made", (None, None))
        if context is not self.context or made is None:
            self._made = self.context, (made := make(self))
        return made

    _replace(generator, "get_macro", macro)


def _share_the_empty_table() -> None:
    """Every statement without rows has an empty table as its result, of which a new one takes 1 ms."""
    from dbt_common.clients import agate_helper

    make: Any = agate_helper.empty_table
    table = make()
    _replace(agate_helper, "empty_table", lambda: table)


def _share_the_arguments_of_a_run(providers: Any) -> None:
    """Every context has the arguments of the run, and the same ones."""
    make, last = providers.args_to_dict, (None, dict[str, Any]())

    def arguments(args: Any) -> dict[str, Any]:
        nonlocal last
        if last[0] is not args:
            last = args, make(args)
        return dict(last[1])

    _replace(providers, "args_to_dict", arguments)


def _set_the_memory_limit_once(environment: Any) -> None:
    """The settings of the profile are of the database, and are set for each of its 120 cursors.

    Each time DuckDB gives its free memory back to the system: 3 ms, and a thousand pages to get anew.
    """
    initialize = environment.initialize_cursor.__func__
    last: Any = None

    def once(cls: Any, creds: Any, cursor: Any, *rest: Any, **named: Any) -> Any:
        nonlocal last
        if last is creds:
            creds = replace(creds, settings=None)
        else:
            last = creds
        return initialize(cls, creds, cursor, *rest, **named)

    _replace(environment, "initialize_cursor", classmethod(once))


def _calling_module() -> str:
    """The module that makes a behaviour flag. dbt reads the source files of the whole stack for it, for each flag."""
    frame = sys._getframe(1)
    own = frame.f_globals["__name__"]
    while frame.f_back is not None and frame.f_globals["__name__"] == own:
        frame = frame.f_back
    return str(frame.f_globals["__name__"])
