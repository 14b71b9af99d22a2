"""The site of the current publication: opened when the link moves, closed when nobody reads it any more."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import duckdb

from amkpi.access.addresses import PublishedAddresses
from amkpi.access.names import Names
from amkpi.access.reader import Reader, reader_of_address
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file
from amkpi.core.settings import Settings

_log = logging.getLogger(__name__)
# Of the rendered pages of one publication.
MOST_CACHED_BYTES = 64 * 1024 * 1024
# A page that is larger is rendered for each request: it would displace hundreds of others.
MOST_BYTES_OF_A_PAGE = 4 * 1024 * 1024
# How often the link is looked at while nobody asks for a page. So no old file stays open, and mostly no request waits
# while a new one is opened.
WATCH_SECONDS = 0.5


class Answer(Protocol):
    """One page: `amkpi.pages.site.Answer`."""

    @property
    def media_type(self) -> str:
        """Such as `text/html; charset=utf-8`."""

    @property
    def body(self) -> bytes:
        """The page."""


class Site(Protocol):
    """What the server needs of `amkpi.pages.site.Site`."""

    @property
    def publication_id(self) -> str:
        """The id of the publication."""

    @property
    def names(self) -> Names:
        """Everybody in it."""

    def page(self, reader: Reader, path: str) -> Answer | None:
        """A page as this reader may see it; None where there is none, or no right to it."""

    def prepare(self) -> None:
        """Read what the first pages of most readers need."""

    def close(self) -> None:
        """Close the file."""


class NothingPublished(AmkpiError):
    """There is no publication yet, or it cannot be read."""


class OpenedSite:
    """A site with its rendered pages and the rights of its readers. `uses`: how many requests read it now."""

    def __init__(self, file: tuple[Path, int], site: Site, settings: Settings, addresses: PublishedAddresses) -> None:
        """file: the publication that the site is of, and its inode: an erasure writes it again under the same name."""
        self.file, self.inode = file
        self.site = site
        self._settings, self._addresses = settings, addresses
        self.uses = 0
        self._lock = threading.Lock()
        self._pages: OrderedDict[tuple[Reader, str], Answer] = OrderedDict()
        self._bytes = 0
        self._making: dict[tuple[Reader, str], threading.Lock] = {}
        self._readers: dict[str, Reader] = {}
        # Without the addresses that are held, as of what was confirmed. None: nobody has asked yet.
        self._names: Names | None = None
        self._confirmed: tuple[int, int] | None = None

    @property
    def publication_id(self) -> str:
        """The id of the publication."""
        return self.site.publication_id

    def reader(self, address: str) -> Reader | None:
        """The rights of an address in this publication. An address that is held has none. Raises AmkpiError."""
        confirmed = self._addresses.version()
        with self._lock:
            if self._names is None or confirmed != self._confirmed:
                self._readers.clear()
                self._names, self._confirmed = self._addresses.reachable(self.site.names), confirmed
            names = self._names
            if address in self._readers:
                return self._readers[address]
        reader = reader_of_address(names, address, self._settings)
        # Only readers are kept: an address without rights may be anything that anybody types.
        if reader is not None:
            with self._lock:
                if confirmed == self._confirmed:
                    self._readers[address] = reader
        return reader

    def page(self, reader: Reader, path: str) -> Answer | None:
        """A page as this reader may see it; None where there is none, or no right to it."""
        key = (reader, path)
        with self._lock:
            found = self._cached(key)
            if found is not None:
                return found
            making = self._making.setdefault(key, threading.Lock())
        # After a swing many readers ask for one page at once: the first makes it, the others wait for it.
        with making:
            with self._lock:
                found = self._cached(key)
            answer = found or self.site.page(reader, path)
            with self._lock:
                self._making.pop(key, None)
                if answer is not None and found is None:
                    self._keep(key, answer)
        return answer

    def _cached(self, key: tuple[Reader, str]) -> Answer | None:
        found = self._pages.get(key)
        if found is not None:
            self._pages.move_to_end(key)
        return found

    def _keep(self, key: tuple[Reader, str], answer: Answer) -> None:
        if key in self._pages or len(answer.body) > MOST_BYTES_OF_A_PAGE:
            return
        self._pages[key] = answer
        self._bytes += len(answer.body)
        while self._bytes > MOST_CACHED_BYTES:
            _, oldest = self._pages.popitem(last=False)
            self._bytes -= len(oldest.body)


class CurrentSite:
    """Lends the site of the current publication to requests. Safe for threads."""

    def __init__(self, home: Home, settings: Settings, open_site: Callable[[Path, Settings], Site]) -> None:
        """Nothing is opened yet. open_site: `amkpi.pages.site.open_site`."""
        self._home, self._settings, self._open_site = home, settings, open_site
        self._opening, self._lock = threading.Lock(), threading.Lock()
        self._opened: OpenedSite | None = None
        self._addresses = PublishedAddresses(home)
        self._failed: Path | None = None
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self) -> None:
        """Look at the link by itself, now and every half second."""
        self._stop.clear()
        self._watcher = threading.Thread(target=self._watch, name="current-site", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Stop looking, and close the site. Requests that still read it close it at their end."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
        self._replace(None)

    @contextmanager
    def lent(self) -> Iterator[OpenedSite]:
        """The site of the current publication, which stays open for the block. Raises NothingPublished.

        The first request after the link has moved opens the new site. Requests at the same time get the old one.
        """
        self._refresh(retry=False)
        with self._lock:
            opened = self._opened
            if opened is not None:
                opened.uses += 1
        if opened is None:
            raise NothingPublished(f"nothing that can be read is published in {self._home.published}")
        try:
            yield opened
        finally:
            with self._lock:
                opened.uses -= 1
                is_last = opened.uses == 0 and opened is not self._opened
            if is_last:
                opened.site.close()

    def _refresh(self, retry: bool) -> None:
        """Open the site that the link names, unless it is open. retry: also one that could not be opened before."""
        file = current_file(self._home)
        if file is None or self._is_open(file) or (file == self._failed and not retry):
            return
        # Whoever comes second waits only where there is nothing else to show.
        if not self._opening.acquire(blocking=self._opened is None):
            return
        try:
            # The link may have moved on since: a publication of before must not come back.
            file = current_file(self._home)
            if file is None or self._is_open(file):
                return
            try:
                identity = _identity(file)
                site = self._open_site(file, self._settings)
                # Before the switch: those who ask meanwhile get the pages of before at once.
                site.prepare()
            except (AmkpiError, OSError, duckdb.Error) as error:
                self._failed = file
                _log.error("%s cannot be shown; readers keep the publication before: %s", file.name, error)
                return
            self._failed = None
            self._replace(OpenedSite(identity, site, self._settings, self._addresses))
        finally:
            self._opening.release()

    def _is_open(self, file: Path) -> bool:
        opened = self._opened
        return opened is not None and (opened.file, opened.inode) == _identity(file)

    def _replace(self, opened: OpenedSite | None) -> None:
        with self._lock:
            before, self._opened = self._opened, opened
            is_unused = before is not None and before.uses == 0
        if before is not None and is_unused:
            before.site.close()

    def _watch(self) -> None:
        while True:
            self._refresh(retry=True)
            if self._stop.wait(WATCH_SECONDS):
                return


def _identity(file: Path) -> tuple[Path, int]:
    """The file and its inode; 0 where it has gone."""
    try:
        return file, file.stat().st_ino
    except FileNotFoundError:
        return file, 0
