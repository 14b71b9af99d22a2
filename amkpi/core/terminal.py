"""What every command prints with: the console, warnings, and the marks of a status."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

STATUS = {
    "on_target": ("✓ on target", "green"),
    "at_risk": ("! at risk", "yellow"),
    "off_target": ("✗ off target", "red"),
    "no_target": ("· no target", "dim"),
    "no_data": ("– no data", "dim"),
}


def out() -> Console:
    """The console for what was asked for; a file or pipe gets lines of a fixed width, not the terminal's."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=110, file=console.file)


def complain(text: str) -> None:
    """One line on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]amkpi:[/] {escape(text)}")


def report(text: str) -> None:
    """One line on standard error about what was done besides the command's own task."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"amkpi: {escape(text)}")


def warn(text: str) -> None:
    """A line that a person should see, though the run goes on."""
    out().print(f"  [yellow]![/] {escape(text)}", soft_wrap=True)


def note(text: str) -> None:
    """A line that says where to read on."""
    out().print(f"    [dim]{escape(text)}[/]", soft_wrap=True)
