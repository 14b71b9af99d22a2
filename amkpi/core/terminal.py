"""Output of the commands: the console, warnings, and the signs of a status."""

from __future__ import annotations

import gettext
import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape

# The sign and the style of a status: it is never shown by colour alone.
STATUS_SIGNS = {
    "on_target": ("✓", "green"),
    "at_risk": ("!", "yellow"),
    "off_target": ("✗", "red"),
    "still_open": ("…", "yellow"),
    "no_target": ("○", "dim"),
    "no_data": ("–", "dim"),
}


# In a file or pipe nothing is cut: the reader there is a program, or scrolls.
_NO_LIMIT = 1_000_000


def out() -> Console:
    """The console for results. A terminal gets lines of its own width, a file or pipe whole lines.

    NO_COLOR and FORCE_COLOR are honoured.
    """
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=_NO_LIMIT, force_interactive=False)


def print_json(value: Any) -> None:
    """Print a value as JSON, for a program. Where the output's encoding lacks letters, as \\u escapes."""
    encoding = (sys.stdout.encoding or "utf-8").lower().replace("-", "")
    print(json.dumps(value, ensure_ascii=encoding != "utf8", indent=2))


def counted(count: int, one: str, many: str) -> str:
    """A count with its noun: `1 row`, `1,200 rows`."""
    return f"{count:,} {gettext.ngettext(one, many, count)}"


def complain(text: str) -> None:
    """One line on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]amkpi:[/] {escape(text)}")


def report(text: str) -> None:
    """One line on standard error about something that was done besides the command itself."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"amkpi: {escape(text)}")


def warn(text: str) -> None:
    """A line that a person should see; the run continues."""
    out().print(f"  [yellow]![/] {escape(text)}", soft_wrap=True)


def note(text: str) -> None:
    """A line that tells where to find more."""
    out().print(f"    [dim]{escape(text)}[/]", soft_wrap=True)
