"""Every page is well-formed, has no style or script inside, and every link leads somewhere."""

from __future__ import annotations

import posixpath
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from amkpi.access.reader import Reader, reader_of
from amkpi.core.catalogue import kpis
from amkpi.core.home import Home
from amkpi.core.settings import Settings
from amkpi.pages.export import MARK, write_pages
from amkpi.pages.render.html import ASSETS
from amkpi.pages.site import Site, open_site
from amkpi.scorecards.page_paths import parse
from tests.command_line import amkpi, failed
from tests.pages.conftest import ANALYST, some_periods
from tests.pages.reading import Document, read

pytestmark = pytest.mark.slow
SHARE = 97


@pytest.fixture(scope="module")
def analyst(site: Site, settings: Settings) -> Reader:
    found = reader_of(site.names, ANALYST, settings)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def sample(site: Site, analyst: Reader) -> dict[str, Document]:
    """Every so many pages with a period, and all others."""
    found = {}
    for number, path in enumerate(site.paths(analyst)):
        if path.endswith(".html") and (number % SHARE == 0 or path.count("/") < 2):
            answer = site.page(analyst, path)
            assert answer is not None, path
            found[path] = read(answer.body)
            assert not found[path].faults, (path, found[path].faults)
    return found


def test_no_page_has_a_style_or_script_inside_and_each_has_the_policy(sample: dict[str, Document]) -> None:
    for path, document in sample.items():
        assert not document.all("style"), path
        for element in document.elements:
            names = element.attributes.keys()
            assert "style" not in names, (path, element)
            assert not [name for name in names if name.startswith("on")], (path, element)
        assert all("src" in each.attributes and not each.text.strip() for each in document.all("script")), path
        policies = [
            each for each in document.all("meta") if each.attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        assert len(policies) == 1, path
        assert "'unsafe" not in policies[0].attributes["content"]


def test_every_page_has_a_language_a_title_one_heading_and_ids_that_are_there_once(sample: dict[str, Document]) -> None:
    for path, document in sample.items():
        assert document.all("html")[0].attributes["lang"] == (path[:2] if "/" in path else "vi"), path
        assert document.all("title")[0].text.strip(), path
        assert len(document.all("h1")) == 1, path
        assert len(set(document.ids)) == len(document.ids), path
        for element in document.elements:
            for name in ("aria-labelledby", "aria-describedby"):
                assert set(element.attributes.get(name, "").split()) <= set(document.ids), (path, element)


def test_every_chart_has_a_title_and_a_text_and_every_table_has_headings(sample: dict[str, Document]) -> None:
    for path, document in sample.items():
        for chart in document.all("svg"):
            given = chart.attributes
            assert given.get("aria-hidden") == "true" or given["role"] == "img", path
        assert len(document.all("table")) == len(document.all("thead")), path
        assert all(head.attributes.get("scope") in ("col", "row") for head in document.all("th")), path


def test_no_link_is_dead_and_nothing_comes_from_elsewhere(
    site: Site, analyst: Reader, sample: dict[str, Document]
) -> None:
    every = set(site.paths(analyst))
    for path, document in sample.items():
        for link in document.links:
            assert not re.match(r"[a-z]+:|//", link), (path, link)
            target, _, anchor = link.partition("#")
            found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) if target else path
            assert found in every, (path, link)
            if anchor and target:
                assert anchor in anchors(site, analyst, found), (path, link)
            elif anchor:
                assert anchor in document.ids, (path, link)


@pytest.mark.parametrize("staff_id", [ANALYST, "D0", "A02"])
def test_no_link_is_dead_on_a_page_of_each_kind_scope_kpi_and_language(
    site: Site, settings: Settings, staff_id: str
) -> None:
    """Of three readers: who reads everything, who leads, and who leads nobody."""
    reader = reader_of(site.names, staff_id, settings)
    assert reader is not None
    every, shapes = set(site.paths(reader)), set[tuple[str, ...]]()
    for path in sorted(every):
        wanted = parse(path)
        if wanted is None or wanted.is_csv:
            continue
        shape = (wanted.language, wanted.kind, wanted.scope, wanted.kpi)
        if shape in shapes:
            continue
        shapes.add(shape)
        answer = site.page(reader, path)
        assert answer is not None, path
        document = read(answer.body)
        assert not document.faults, (path, document.faults)
        for link in document.links:
            target, _, anchor = link.partition("#")
            found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) if target else path
            assert found in every, (path, link)
            assert target or anchor in document.ids, (path, link)
    kinds = {kind for _, kind, _, _ in shapes}
    assert {"overview", "person", "kpi", "clients", "changes"} <= kinds
    assert len(shapes) >= 2 * (len(kpis()) + 5)


_ANCHORS: dict[str, set[str]] = {}


def anchors(site: Site, reader: Reader, path: str) -> set[str]:
    if path not in _ANCHORS:
        answer = site.page(reader, path)
        assert answer is not None
        _ANCHORS[path] = set(read(answer.body).ids)
    return _ANCHORS[path]


@pytest.mark.slow
def test_every_page_is_reached_from_the_first_by_links(site: Site, settings: Settings) -> None:
    reader = reader_of(site.names, "A01", settings)
    assert reader is not None
    found, waiting = {"index.html"}, ["index.html"]
    while waiting:
        path = waiting.pop()
        for target in links(site, reader, path):
            if target not in found:
                found.add(target)
                waiting.append(target)
    assert found == set(site.paths(reader))


def links(site: Site, reader: Reader, path: str) -> Iterator[str]:
    answer = site.page(reader, path)
    assert answer is not None, path
    if path.endswith(".html"):
        for link in read(answer.body).links:
            target = link.partition("#")[0]
            if target:
                yield posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def copied(file: Path, root: Path) -> Path:
    """The publication in a home of its own: a process opens a file once."""
    home = Home.at(root)
    home.make()
    copy = Path(shutil.copy(file, home.published / file.name))
    home.current.symlink_to(copy.name)
    return copy


def test_the_same_publication_gives_the_same_bytes(
    site: Site, file: Path, settings: Settings, analyst: Reader, tmp_path: Path
) -> None:
    other = open_site(copied(file, tmp_path), settings, some_periods)
    for path in ("vi/index.html", "en/data.html", "vi/clients.html", "en/overview/2026-q3.html", *ASSETS):
        assert site.page(analyst, path) == other.page(analyst, path)
    other.close()


def test_the_pages_of_a_reader_are_written_and_a_second_time_replaced(
    site: Site, settings: Settings, tmp_path: Path
) -> None:
    reader = reader_of(site.names, "X0", settings)
    assert reader is not None
    folder = tmp_path / "pages"
    export = write_pages(site, reader, folder)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {MARK, *site.paths(reader)}
    assert export.files == len(files) - 1
    (folder / "vi" / "old.html").write_text("of another publication", encoding="utf-8")
    write_pages(site, reader, folder)
    assert not (folder / "vi" / "old.html").exists()


def test_pages_of_another_reader_go_before_the_first_new_page(
    site: Site, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = reader_of(site.names, "X0", settings)
    assert reader is not None
    (tmp_path / "vi").mkdir()
    (tmp_path / "vi" / "foreign.html").write_text("foreign", encoding="utf-8")
    (tmp_path / MARK).write_text("OTHER\n", encoding="utf-8")

    def interrupted(_reader: Reader) -> Iterator[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(site, "paths", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_pages(site, reader, tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [MARK]


def test_a_folder_with_other_files_is_not_written_into(file: Path, tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "pages"
    copied(file, home)
    folder.mkdir()
    (folder / "mine.txt").write_text("mine", encoding="utf-8")
    assert "choose an empty folder" in failed(amkpi(home, "pages", str(folder), "--for", "X0"), 1)
    assert "no active person" in failed(amkpi(home, "pages", str(tmp_path / "new"), "--for", "NOBODY"), 1)
