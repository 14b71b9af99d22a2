"""Mails of an outbox as PNGs, where a headless Chromium is installed: `python -m scorecards.picturing OUTBOX DIR`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

WIDTHS = (360, 640, 1000)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--hide-scrollbars", "--allow-file-access-from-files")  # fmt: skip


def browser() -> str | None:
    """The browser that can take pictures, or None."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def pictures(mail: Path, folder: Path, height: int = 2400) -> Iterator[Path]:
    """Take a mail's HTML at three widths, light and dark; gives each picture's file. Needs `browser()`."""
    program = browser()
    if program is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    parsed = message_from_bytes(mail.read_bytes(), policy=default)
    page = parsed.get_body(("html",))
    chart = next((part for part in parsed.walk() if part.get_content_type() == "image/png"), None)
    if page is None or chart is None:
        return
    with tempfile.TemporaryDirectory() as work:
        place = Path(work)
        (place / "chart.png").write_bytes(chart.get_content())
        (place / "mail.html").write_text(page.get_content().replace("cid:chart", "chart.png"), encoding="utf-8")
        for width in WIDTHS:
            # A window is never narrower than 500 px; a frame in it is.
            frame = f'<iframe src="mail.html" style="border:0;width:{width}px;height:{height}px"></iframe>'
            (place / "frame.html").write_text(f'<body style="margin:0">{frame}</body>', encoding="utf-8")
            for looks, scheme in (("light", 1), ("dark", 0)):
                target = folder / f"{mail.stem}_{width}_{looks}.png"
                subprocess.run(
                    [program, *FLAGS, f"--user-data-dir={place / 'profile'}", f"--window-size={width},{height}",
                     f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={target}",
                     (place / "frame.html").as_uri()],
                    check=True, capture_output=True, timeout=120,
                )  # fmt: skip
                yield target


def main() -> None:
    """Picture every mail of the first argument's folder into the second's."""
    outbox, folder = Path(sys.argv[1]), Path(sys.argv[2])
    if browser() is None:
        print(f"no Chromium here: open the .eml files of {outbox} in a mail client")
        return
    for mail in sorted(outbox.glob("*.eml")):
        for picture in pictures(mail, folder):
            print(picture)


if __name__ == "__main__":
    main()
