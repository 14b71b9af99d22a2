"""The macros of a dbt context, bound when they are called.

dbt renders each model in two contexts, and binds each of its 560 macros to each of them: 126,000 objects in a small
build, of which 3,000 are called. Binding them, and collecting them as garbage, took a fifth of a small build.

It is imported with dbt, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from dbt.clients.jinja import MacroGenerator  # noqa: TID253
from dbt.context.base import Var  # noqa: TID253
from dbt.context.macros import MacroNamespace, MacroNamespaceBuilder  # noqa: TID253
from dbt.context.manifest import ManifestContext  # noqa: TID253
from dbt_common.clients.jinja import NativeSandboxTemplate


class BoundWhenRead(dict[str, Any]):
    """A dict with items that it has not made yet: `unbound` has them, and `bind` makes one when it is first read."""

    def __init__(self, made: Mapping[str, Any], unbound: Mapping[str, Any], bind: Callable[[Any], Any]) -> None:
        super().__init__(made)
        self.unbound, self.bind = unbound, bind

    def forget(self) -> None:
        """Drop every item. A context holds its macros and they hold it: else only the garbage collector finds them."""
        self.clear()
        self.unbound = {}

    def __missing__(self, name: str) -> Any:
        item = self[name] = self.bind(self.unbound[name])
        return item

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self.unbound

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(chain(super().__iter__(), self.unbound)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return super().__len__() > 0 or len(self.unbound) > 0

    # A dict's own know of the made items only. With these, a copy of this dict has all items.
    get = Mapping.get  # type: ignore[assignment]
    keys = Mapping.keys  # type: ignore[assignment]
    values = Mapping.values  # type: ignore[assignment]
    items = Mapping.items  # type: ignore[assignment]


class Namespace(MacroNamespace):  # type: ignore[misc]
    """The macros that one context can call, by name and by package. They are those of `unbound`, bound when read."""

    def __init__(self, unbound: MacroNamespace, names: frozenset[str], bind: Callable[[Any], Any]) -> None:
        super().__init__(
            BoundWhenRead({}, unbound.global_namespace, bind),
            BoundWhenRead({}, unbound.local_namespace, bind),
            BoundWhenRead({}, unbound.global_project_namespace, bind),
            {package: BoundWhenRead({}, macros, bind) for package, macros in unbound.packages.items()},
        )
        self.names = names

    def __contains__(self, name: object) -> bool:
        return name in self.names


class Layouts:
    """Which macros there are, and how they are found: the same for every context of a package in a project."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[list[Any], Any, frozenset[str]]] = {}

    def bound(self, builder: MacroNamespaceBuilder, macros: dict[str, dict[str, Any]], context: Any) -> Namespace:
        """The macros for a context. Raises as dbt does where a package has two macros of one name."""
        packages = builder.internal_package_names_order
        place = builder.root_package, builder.search_package, tuple(packages)
        # The macros themselves, and not the dict, to which dbt adds while it parses. Mostly they are the same objects.
        every = [macro for package in macros.values() for macro in package.values()]
        of, unbound, names = self._known.get(place, ([], None, frozenset()))
        if of != every:
            unbound = MacroNamespaceBuilder(*place[:2], None, packages).build_namespace(macros, None)
            names = frozenset(unbound)
            self._known[place] = every, unbound, names
        node, stack = builder.node, builder.thread_ctx
        return Namespace(unbound, names, lambda found: MacroGenerator(found.macro, context, node, stack))


# The contexts of the run that is going on.
_contexts: list[BoundWhenRead] = []


def forget_contexts() -> None:
    """Free the contexts of a run that has ended: 117,000 objects in a small build, of which a search takes 0.15 s."""
    while _contexts:
        _contexts.pop().forget()


def bind_macros_when_read(replace: Callable[[Any, str, Any], None]) -> None:
    """Let each context of dbt bind its macros when they are read. `replace` replaces a function of a class."""
    layouts = Layouts()
    to_dict, render_variable = ManifestContext.to_dict, Var.get_rendered_var
    make_context = NativeSandboxTemplate.new_context

    def build_namespace(self: Any) -> Namespace:
        # A macro is bound to the dict in which the templates look up names.
        self._ctx = BoundWhenRead(self._ctx, {}, lambda found: found)
        _contexts.append(self._ctx)
        macros = self.manifest.get_macros_by_package()
        self._ctx.unbound = layouts.bound(self._get_namespace_builder(), macros, self._ctx)
        return self._ctx.unbound  # type: ignore[no-any-return]

    def as_dict(self: Any) -> Any:
        if not isinstance(self.namespace, Namespace):
            return to_dict(self)  # while dbt parses its tests
        context = super(ManifestContext, self).to_dict()
        # A macro has precedence over what dbt has under the same name.
        for name in self.namespace.names.intersection(dict.keys(context)):
            context[name] = self.namespace[name]
        return context

    def rendered_variable(self: Any, name: str) -> Any:
        value = self._merged[name]
        # dbt's own copies the context, with every macro, for a template that is none.
        return render_variable(self, name) if isinstance(value, str) and "{" in value else value

    def new_context(self: Any, given: Any = None, shared: bool = False, *rest: Any) -> Any:
        # The template of a test's argument: its globals are the same dict. A copy would bind every macro.
        return make_context(self, given, shared or isinstance(given, BoundWhenRead), *rest)

    replace(NativeSandboxTemplate, "new_context", new_context)
    replace(ManifestContext, "_build_namespace", build_namespace)
    replace(ManifestContext, "to_dict", as_dict)
    replace(Var, "get_rendered_var", rendered_variable)
