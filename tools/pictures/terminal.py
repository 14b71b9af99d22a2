"""Make the picture of `make run` in the README: `.venv/bin/python -m tools.pictures.terminal`."""

from __future__ import annotations

import os
import pty
import re
import sys
import tempfile

from rich.console import Console
from rich.text import Text

from tools.paths import ROOT

TARGET = ROOT / "docs" / "pictures" / "make-run.svg"


def main() -> None:
    """Run the demo on a terminal of 104 columns and save its output as an SVG."""
    with tempfile.TemporaryDirectory() as folder:
        shown = bytearray()

        def read(descriptor: int) -> bytes:
            data = os.read(descriptor, 65536)
            shown.extend(data)
            return data

        os.environ |= {"COLUMNS": "104", "LINES": "70", "TERM": "xterm-256color"}
        pty.spawn([sys.executable, "-m", "amkpi.interfaces.demo", "--home", f"{folder}/demo"], read)
    text = shown.decode("utf-8").replace("\r\n", "\n").replace(f"{folder}/", "")
    # A spinner redraws its line; keep only the last text of each line.
    text = re.sub(r"\x1b\[\?25[lh]|\x1b\[1A", "", text)
    lines = [line.rsplit("\r", 1)[-1].replace("\x1b[2K", "") for line in text.split("\n")]
    kept = "\n".join(line for line in lines if not re.search(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", line))
    console = Console(record=True, width=104, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    console.print(Text.from_ansi("$ make run\n" + kept.strip("\n")))
    picture = console.export_svg(title="make run", unique_id="make-run")
    # Rich names a font on the web. Use the reader's own monospaced font, so that the page makes no request.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.S).replace("Fira Code", "ui-monospace, Menlo")
    TARGET.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
