"""A cache for threads: each value is made once, however many ask for it, and the least recently used ones go."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Values by key whose sizes are together at most `most`. The newest value stays, whatever its size."""

    def __init__(self, most: int, size: Callable[[V], int] = lambda value: 1) -> None:
        """size: of a value."""
        self._most, self._size = most, size
        self._lock = Lock()
        self._making: dict[K, Future[V]] = {}
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._total = 0

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of the key. `make` makes it where there is none; those who ask meanwhile wait for it.

        Raises what `make` raises; the next who asks makes it again.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
            waiting = self._making.get(key)
            if waiting is None:
                mine = self._making[key] = Future[V]()
        if waiting is not None:
            return waiting.result()
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                self._forget(key, mine)
            mine.set_exception(error)
            raise
        with self._lock:
            # Who has cleared the cache meanwhile wants nothing of before in it.
            if self._forget(key, mine):
                self._keep(key, value)
        mine.set_result(value)
        return value

    def found(self, key: K) -> V | None:
        """The value of the key; None where it was not made, or has gone."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._making.clear()
            self._values.clear()
            self._total = 0

    def _forget(self, key: K, mine: Future[V]) -> bool:
        """That a value is being made; whether the cache still knew of it."""
        is_known = self._making.get(key) is mine
        if is_known:
            del self._making[key]
        return is_known

    def _keep(self, key: K, value: V) -> None:
        self._values[key] = (value, size := self._size(value))
        self._total += size
        while self._total > self._most and len(self._values) > 1:
            _, (_, oldest) = self._values.popitem(last=False)
            self._total -= oldest
