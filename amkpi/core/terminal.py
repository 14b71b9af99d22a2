"""Output of the commands: the console, warnings, and the signs of a status."""

from __future__ import annotations

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


def out() -> Console:
    """The console for results. A file or pipe gets lines of a fixed width, a terminal those of its own width."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=110, file=console.file)


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
