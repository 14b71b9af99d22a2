"""One agency, one server and one browser for all tests of a worker."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.pages.browser.server import Served, publish_sample, serving
from tests.pages.browser.visitor import Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, StorageState


# Of a module and not of the session: Playwright leaves an event loop in the thread, in which no other test of the
# worker could run one of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    # It takes a second to import: not where the tests are only collected.
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed (apt-get install chromium): the pages were not tried in a browser")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def served(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The sample agency behind `amkpi serve`; not made where there is no browser."""
    home: Path = tmp_path_factory.mktemp("served")
    publish_sample(home)
    with serving(home) as started:
        yield started


@pytest.fixture(scope="module")
def signed_in(browser: Browser, served: Served) -> Callable[..., AbstractContextManager[Visitor]]:
    """`signed_in("company")`: a visitor with the session of that reader, who signs in once."""
    sessions: dict[str, StorageState] = {}

    @contextmanager
    def sign_in(reader: str, **options: Any) -> Iterator[Visitor]:
        if reader not in sessions:
            with visiting(browser, served) as visitor:
                visitor.sign_in(served.readers[reader])
                sessions[reader] = visitor.context.storage_state()
        with visiting(browser, served, storage_state=sessions[reader], **options) as visitor:
            yield visitor

    return sign_in
