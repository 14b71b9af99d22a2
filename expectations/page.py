"""The page of an audit in HOME/audits/: what was checked, what failed, since when, and what to do.

It is one HTML file that needs no network and no script.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from amkpi.core.findings import EXAMPLES, MOST_ROWS, Finding
from amkpi.core.home import Home
from amkpi.core.language import formatting
from amkpi.core.publication_id import pipeline_version
from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext

TEMPLATES = Path(__file__).with_name("templates")
# The title of each suite.
TITLES = {
    "raw": "Data that came in",
    "agency": "Plausibility of the data",
    "marts": "Figures to be published",
}


@dataclass(frozen=True)
class PageFinding:
    """A failed finding as the page shows it.

    count: how many of what. headline: the line above the rows. visible, folded: the rows that are visible at once, and
    those that a click shows. summary: the text to click on.
    """

    finding: Finding
    anchor: str
    count: str
    headline: str
    visible: tuple[str, ...]
    folded: tuple[str, ...]
    summary: str

    @classmethod
    def of(cls, finding: Finding, place: int) -> PageFinding:
        """The finding at this place of the page. The headline does not repeat what the rows show."""
        rows = finding.rows
        count, _, _ = finding.observed.partition(": ")
        if rows and rows[0] in finding.observed:
            visible, folded, headline = rows[:EXAMPLES], rows[EXAMPLES:], count
            hidden = finding.unexpected_count - len(rows)
            summary = f"{len(folded)} more" + (f", and {hidden} that are not listed" if hidden > 0 else "")
        else:
            visible, folded, headline = (), rows, finding.observed
            summary = f"{len(rows)} row{'' if len(rows) == 1 else 's'} concerned"
            if len(rows) >= MOST_ROWS and len(rows) != finding.unexpected_count:
                summary = f"the first {len(rows)} rows concerned"
        return cls(finding, f"failure-{place}", count, headline, visible, folded, summary)


def render(
    publication_id: str, context: AuditContext, findings: Sequence[Finding], settings: Settings, current: Path | None
) -> str:
    """The page of an audit as HTML. current: the file of the current publication."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # slow to import, needed only here

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["title"] = _title
    environment.filters["day"] = formatting.day
    environment.filters["code"] = _code
    moment = context.moment.astimezone(ZoneInfo(settings.timezone))
    suites = [(title, [finding for finding in findings if finding.suite == suite]) for suite, title in TITLES.items()]
    others = [finding for finding in findings if finding.suite not in TITLES]
    blocking = [finding for finding in findings if finding.blocks]
    warnings = [finding for finding in findings if not finding.success and not finding.blocks]
    return environment.get_template("audit.html.j2").render(
        publication_id=publication_id,
        version=pipeline_version(),
        as_of=context.as_of,
        moment=moment,
        blocking=blocking,
        warnings=warnings,
        failures=[PageFinding.of(finding, place) for place, finding in enumerate([*blocking, *warnings], 1)],
        passed=sum(finding.success for finding in findings),
        total=len(findings),
        suites=[(title, found) for title, found in [*suites, ("Other", others)] if found],
        current=current.stem.removeprefix("kpi_") if current else None,
    )


def _title(expectation: str) -> str:
    """The name of an expectation as a sentence."""
    return expectation.replace("_", " ").capitalize()


def _code(text: str) -> Markup:
    """Text as HTML; a part between backticks becomes code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def write_page(page: Path, text: str) -> None:
    """Write the page in one atomic step. Raises OSError."""
    partial = page.with_name(f".{page.name}.part")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(page)


def link_latest(home: Home, page: Path) -> None:
    """Switch the link `latest.html` to the page in one atomic step."""
    link = home.audits / ".latest.html.new"
    link.unlink(missing_ok=True)
    link.symlink_to(page.name)
    link.replace(home.audits / "latest.html")


def prune_pages(home: Home, settings: Settings) -> None:
    """Remove all but the newest pages, as many as `keep_audit_pages` says."""
    pages = sorted(home.audits.glob("audit_*.html"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for page in pages[settings.retention.audit_pages :]:
        page.unlink()
