"""Libraries that Great Expectations imports for expectations and pictures that the audit does not use.

Two of its 60 expectations use `scipy.stats` and `altair`. Their imports were a third of the import of Great
Expectations. A deferred module is found as usual, and runs when something of it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

DEFERRED = frozenset({"scipy.stats", "altair"})


class _Deferring(MetaPathFinder):
    """Finds the deferred modules before others do, and lets them run later."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in DEFERRED else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def defer() -> None:
    """Defer them from now on in this process; what is imported already stays."""
    if not any(isinstance(finder, _Deferring) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Deferring())
