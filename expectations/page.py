"""The page of an audit in HOME/audits/: what was checked, what failed, since when, and what to do.

One HTML file that needs no network.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from amkpi.core.findings import Finding
from amkpi.core.home import Home
from amkpi.core.language import formatting
from amkpi.core.publication_id import pipeline_version
from amkpi.core.settings import Settings
from amkpi.expectations.context import Occasion

TEMPLATES = Path(__file__).with_name("templates")
# Rows of a finding that are seen without a click; and how many an audit keeps at most.
SHOWN = 3
MOST_ROWS = 20
# What each suite asks about, as the page says it.
BORDERS = {
    "raw": "What came in",
    "agency": "What the data says",
    "marts": "What goes out",
}


@dataclass(frozen=True)
class Told:
    """A failed finding as the page tells it.

    brief: how many of what. headline: what stands above the rows. shown, folded: rows to be seen at once, and on a
    click. summary: what the click says.
    """

    finding: Finding
    anchor: str
    brief: str
    headline: str
    shown: tuple[str, ...]
    folded: tuple[str, ...]
    summary: str

    @classmethod
    def of(cls, finding: Finding, place: int) -> Told:
        """The finding, without saying twice what its line and its rows both say."""
        rows = finding.rows
        count, _, _ = finding.observed.partition(": ")
        if rows and rows[0] in finding.observed:
            shown, folded, headline = rows[:SHOWN], rows[SHOWN:], count
            hidden = finding.unexpected_count - len(rows)
            summary = f"{len(folded)} more" + (f", and {hidden} that are not listed" if hidden > 0 else "")
        else:
            shown, folded, headline = (), rows, finding.observed
            summary = f"{len(rows)} row{'' if len(rows) == 1 else 's'} concerned"
            if len(rows) >= MOST_ROWS:
                summary = f"the first {len(rows)} rows concerned"
        return cls(finding, f"failure-{place}", count, headline, shown, folded, summary)


def render(
    publication_id: str, when: Occasion, findings: Sequence[Finding], settings: Settings, current: Path | None
) -> str:
    """The page of an audit as HTML that needs nothing else. current: the file that readers see meanwhile."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only where a page is written

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["title"] = _title
    environment.filters["day"] = formatting.day
    environment.filters["code"] = _code
    moment = when.moment.astimezone(ZoneInfo(settings.timezone))
    borders = [(title, [finding for finding in findings if finding.suite == suite]) for suite, title in BORDERS.items()]
    others = [finding for finding in findings if finding.suite not in BORDERS]
    blocking = [finding for finding in findings if finding.blocks]
    warnings = [finding for finding in findings if not finding.success and not finding.blocks]
    return environment.get_template("audit.html.j2").render(
        publication_id=publication_id,
        version=pipeline_version(),
        as_of=when.as_of,
        moment=moment,
        blocking=blocking,
        warnings=warnings,
        failures=[Told.of(finding, place) for place, finding in enumerate([*blocking, *warnings], 1)],
        met=sum(finding.success for finding in findings),
        total=len(findings),
        borders=[*borders, *([("Other", others)] if others else [])],
        current=current.stem.removeprefix("kpi_") if current else None,
    )


def _title(expectation: str) -> str:
    """An expectation's name as the sentence that it is."""
    return expectation.replace("_", " ").capitalize()


def _code(text: str) -> Markup:
    """Text for HTML with what stands between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def write_page(page: Path, text: str) -> None:
    partial = page.with_name(f".{page.name}.part")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(page)


def link_latest(home: Home, page: Path) -> None:
    """Point `latest.html` at the page in one atomic step."""
    link = home.audits / ".latest.html.new"
    link.unlink(missing_ok=True)
    link.symlink_to(page.name)
    link.replace(home.audits / "latest.html")


def prune_pages(home: Home, settings: Settings) -> None:
    """Remove all but the newest pages."""
    pages = sorted(home.audits.glob("audit_*.html"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for page in pages[settings.retention.audit_pages :]:
        page.unlink()
