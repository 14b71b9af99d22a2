"""The cache of facts: made once for all threads, and again after a failure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from amkpi.pages.cache import Cache


def test_a_value_is_made_once_for_all_threads() -> None:
    cache: Cache[str, object] = Cache(2)
    begun, made = Event(), []

    def make() -> object:
        made.append(1)
        begun.wait(5)
        return object()

    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(cache.get, "a", make) for _ in range(8)]
        begun.set()
        assert len({id(each.result(5)) for each in waiting}) == 1
    assert len(made) == 1


def test_a_failure_is_not_kept() -> None:
    cache: Cache[str, int] = Cache(2)

    def fail() -> int:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        cache.get("a", fail)
    assert cache.get("a", lambda: 1) == 1


def test_the_least_recently_used_value_goes_first() -> None:
    cache: Cache[str, int] = Cache(2)
    for key in ("a", "b", "a", "c"):
        cache.get(key, lambda: 1)
    assert [cache.get(key, lambda: 2) for key in ("a", "c")] == [1, 1]
    assert cache.get("b", lambda: 2) == 2
