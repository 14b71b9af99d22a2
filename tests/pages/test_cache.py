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


def test_values_go_by_their_sizes_and_the_newest_stays_whatever_its_size() -> None:
    cache: Cache[str, int] = Cache(10, size=lambda value: value)
    for key, value in (("a", 4), ("b", 5)):
        cache.get(key, lambda value=value: value)  # type: ignore[misc]
    assert cache.get("a", lambda: 0) == 4
    assert cache.get("c", lambda: 12) == 12
    assert cache.get("c", lambda: 0) == 12
    assert cache.get("a", lambda: 1) == 1
    assert cache.get("c", lambda: 0) == 0


def test_what_was_begun_before_the_cache_was_cleared_is_not_kept() -> None:
    cache: Cache[str, int] = Cache(2)

    def make() -> int:
        cache.clear()
        return 1

    assert cache.get("a", make) == 1
    assert cache.get("a", lambda: 2) == 2
