"""The pages of one publication, for every reader. Safe for threads; the file is open until `close`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb

from amkpi.access.names import Names
from amkpi.access.reader import Reader
from amkpi.core.errors import AmkpiError, ClosingsBroken
from amkpi.core.home import Home
from amkpi.core.language.periods import Period
from amkpi.core.language.translation import LANGUAGES, Language
from amkpi.core.language.translator import Translator
from amkpi.core.run import Run
from amkpi.core.settings import Settings
from amkpi.explain.evidence import Explanation, Question
from amkpi.pages.cache import Cache
from amkpi.pages.compose.pages import page_of, paths_of
from amkpi.pages.facts import Index, PeriodFacts, read_pages_facts, read_period
from amkpi.pages.render.html import ASSETS, asset, front, html
from amkpi.pages.render.html import prepare as prepare_templates
from amkpi.pages.rights import readable_index, readable_period
from amkpi.pages.sections.context import PageContext, recipient_of
from amkpi.publishing.closing.files import opened
from amkpi.publishing.reader import open_publication, reading
from amkpi.scorecards.evidence_records import Evidence, EvidenceTable
from amkpi.scorecards.page_paths import FRONT, PagePath, parse

# Records of periods. The sample agency has 50,000 in all of its 60 periods, a company of 500 people 750,000.
_MOST_RECORDS = 150_000
# To read the records of a few people takes 3 ms; to read all of a period as long, and 40 ms where 500 people work.
_FEW_PEOPLE, _FEW_RECORDS = 40, 2_000
_MOST_PERIODS = 100
_MOST_READERS = 200
_MOST_EXPLANATIONS = 1000
_MOST_READER_PERIODS = 300


@dataclass(frozen=True)
class Answer:
    """A page or file: its media type with the character set, and its bytes."""

    media_type: str
    body: bytes


class Closed(AmkpiError):
    """The site was closed: another publication is current."""


class Site:
    """The pages of one publication. `open_site` makes it."""

    def __init__(self, file: Path, settings: Settings, shown: Callable[[Period], bool]) -> None:
        self._file = file
        self._settings = settings
        self._closed = threading.Event()
        self._opened = open_publication(file, settings.timezone)
        self._periods: Cache[Period, PeriodFacts] = Cache(_MOST_PERIODS)
        self._records: Cache[tuple[Period, frozenset[str | None] | None], EvidenceTable] = Cache(
            _MOST_RECORDS, size=lambda table: len(table) + 1
        )
        self._readers: Cache[Reader, Index] = Cache(_MOST_READERS)
        self._explanations: Cache[tuple[object, ...], Explanation | None] = Cache(_MOST_EXPLANATIONS)
        self._reader_periods: Cache[tuple[Reader, Period], PeriodFacts] = Cache(_MOST_READER_PERIODS)
        with self.connection() as connection:
            self._facts = read_pages_facts(connection, settings)
        self._index = self._facts.index
        self._shown = tuple(period for period in self._index.periods if shown(period))

    @property
    def publication_id(self) -> str:
        """The id of the publication."""
        return self._index.publication.publication_id

    @property
    def names(self) -> Names:
        """The people of the publication, for `reader_of`."""
        return self._index.names

    def page(self, reader: Reader, path: str) -> Answer | None:
        """The page or file of a path; None where there is none, or this reader has no right to it.

        Raises Closed after `close`, AmkpiError where the file cannot be read.
        """
        if self._closed.is_set():
            raise Closed(f"the pages of publication {self.publication_id} were closed")
        if path in ("", FRONT):
            return Answer("text/html; charset=utf-8", front(self.language_of(reader)))
        if path in ASSETS:
            return Answer(*asset(path))
        wanted = parse(path)
        if wanted is None:
            return None
        context = self._context(reader, wanted)
        if context is None:
            return None
        page = page_of(context, self)
        if page is None:
            return None
        if isinstance(page, bytes):
            return Answer("text/csv; charset=utf-8", page)
        return Answer("text/html; charset=utf-8", html(page))

    def prepare(self) -> None:
        """Do once what the first pages would wait for, above all read the period that readers see first.

        Raises as `page`.
        """
        prepare_templates()
        for language in LANGUAGES:
            Translator(language).t("Overview")
        if self.first_period is not None:
            self._period(self.first_period)
            self._records_of(self.first_period, None)

    def paths(self, reader: Reader) -> Iterator[str]:
        """Every page and file that this reader can reach."""
        yield FRONT
        yield from ASSETS
        index = self._index_of(reader)
        for language in LANGUAGES:
            for path in paths_of(index, reader, language, self._shown):
                yield str(path)

    def language_of(self, reader: Reader) -> Language:
        """The language of the reader: of the staff extract, else the default of the mails."""
        person = self.names.people.get(reader.staff_id or "")
        locale = (person.locale or "" if person else "").strip().lower().replace("_", "-").split("-")[0]
        return next((each for each in LANGUAGES if each == locale), self._settings.scorecards.language)

    def close(self) -> None:
        """Give no more pages, forget what was read, and close the file. Pages that are being made are finished."""
        self._closed.set()
        self._opened.close()
        for cache in (self._periods, self._records, self._readers, self._reader_periods, self._explanations):
            cache.clear()

    def explanation(self, question: Question) -> Explanation | None:
        """What `amkpi explain` knows of a value, for everybody. None for a closed period without its closing file."""
        key = (question.kpi.name, question.scope, question.staff_id, question.period)
        return self._explanations.get(key, lambda: self._explain(question))

    def _explain(self, question: Question) -> Explanation | None:
        home, timezone = self.run.home, self._settings.timezone
        try:
            with self.connection() as connection:
                return self._facts.explainer.explain(connection, question, lambda n: opened(home, n, timezone))
        except ClosingsBroken:
            return None

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the publication for one reading. Raises Closed after `close`."""
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(reading(self._opened, self._file))
            except duckdb.ConnectionException as error:
                raise Closed(f"the pages of publication {self.publication_id} were closed") from error
            yield connection

    @property
    def run(self) -> Run:
        """Where the closing files of the publication are."""
        home = Home.at(self._file.parent.parent)
        return Run(home, self._settings, self._index.publication.as_of)

    def _context(self, reader: Reader, path: PagePath) -> PageContext | None:
        """What a page is composed from; None where the period has no pages."""
        index = self._index_of(reader)
        period = path.period or self.first_period
        if period is None or (path.period is not None and period not in self._shown):
            return None
        read = self._reader_periods.get((reader, period), lambda: readable_period(self._period(period), index, reader))
        return PageContext(
            facts=read.facts,
            recipient=recipient_of(reader, index, path.language),
            path=path,
            index=index,
            shown=frozenset(self._shown),
            intervals=read.intervals,
            measures=read.measures,
        )

    def _index_of(self, reader: Reader) -> Index:
        return self._readers.get(reader, lambda: readable_index(self._index, reader))

    def _period(self, period: Period) -> PeriodFacts:
        records = Evidence(partial(self._records_of, period))

        def read() -> PeriodFacts:
            with self.connection() as connection:
                return read_period(connection, period, self.run, self._facts, records)

        return self._periods.get(period, read)

    def _records_of(self, period: Period, people: frozenset[str | None] | None) -> EvidenceTable:
        """The records of a period, at least those of the people; all without them."""
        everything = self._records.found((period, None))
        if everything is not None:
            return everything
        source = self._facts.common.evidence
        is_all = people is None or len(people) > _FEW_PEOPLE or source.count(period) <= _FEW_RECORDS
        wanted = None if is_all else people

        def read() -> EvidenceTable:
            with self.connection() as connection:
                return source.read(connection, period, wanted)

        return self._records.get((period, wanted), read)

    @property
    def first_period(self) -> Period | None:
        """The period that readers see first: the month of the data, or the one before in its first days."""
        as_of = self._index.publication.as_of
        month = Period.holding("month", as_of)
        early = as_of.day < self._settings.scorecards.min_days_for_score
        wanted = [month.before(), month] if early and as_of < month.end else [month]
        return next((period for period in wanted if period in self._shown), self._shown[0] if self._shown else None)


def open_site(file: Path, settings: Settings, shown: Callable[[Period], bool] | None = None) -> Site:
    """The pages of a publication.

    file: HOME/published/kpi_….duckdb. shown: which periods have pages; all without it. Raises AmkpiError where the file
    cannot be read.
    """
    return Site(file, settings, shown or (lambda period: True))
