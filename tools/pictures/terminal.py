"""Make the picture of `make run` in the README: python tools/pictures/terminal.py (with the project's .venv)."""

from __future__ import annotations

import os
import pty
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run the demo on a terminal of 104 columns and keep what it shows as an SVG."""
    with tempfile.TemporaryDirectory() as folder:
        shown = bytearray()

        def read(descriptor: int) -> bytes:
            data = os.read(descriptor, 65536)
            shown.extend(data)
            return data

        os.environ |= {"COLUMNS": "104", "LINES": "70", "TERM": "xterm-256color"}
        pty.spawn([sys.executable, "-m", "amkpi.interfaces.demo", "--home", f"{folder}/demo"], read)
    text = shown.decode("utf-8").replace("\r\n", "\n").replace(f"{folder}/", "")
    # Spinners redraw their line: what stays is what was written last.
    text = re.sub(r"\x1b\[\?25[lh]|\x1b\[1A", "", text)
    lines = [line.rsplit("\r", 1)[-1].replace("\x1b[2K", "") for line in text.split("\n")]
    kept = "\n".join(line for line in lines if not re.search(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", line))
    console = Console(record=True, width=104, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    console.print(Text.from_ansi("$ make run\n" + kept.strip("\n")))
    picture = console.export_svg(title="make run", unique_id="make-run")
    # Rich names a font on the web; the reader's own monospaced one does, and no request leaves the page.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.S).replace("Fira Code", "ui-monospace, Menlo")
    (HERE / "pictures" / "make-run.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
