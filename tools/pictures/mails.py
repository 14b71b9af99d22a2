"""Screenshots of the mails of an outbox; needs a headless Chromium: `python -m tools.pictures.mails OUTBOX DIR`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from email.policy import default
from pathlib import Path

WIDTHS = (360, 640, 1000)
# Values of Chromium's switch for `prefers-color-scheme`; --force-dark-mode does not change a page.
LOOKS = {"light": 1, "dark": 0}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--hide-scrollbars", "--allow-file-access-from-files")  # fmt: skip
# Pixels; no mail is taller, even on the narrowest screen. The picture is cut off below the mail.
TALLEST = 15_000
_BELOW = (255, 0, 255)
# A window cannot be narrower than 500 px, but a frame in it can. The frame becomes as high as its mail.
_FRAME = """<body style="margin:0;background:rgb{below}">
<iframe src="mail.html" style="border:0;display:block;width:{width}px;height:600px"
 onload="this.style.height = this.contentDocument.documentElement.scrollHeight + 'px'"></iframe></body>"""


def browser() -> str | None:
    """Return the path of a Chromium, or None."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def pictures(
    mail: Path, folder: Path, widths: Sequence[int] = WIDTHS, looks: Sequence[str] = tuple(LOOKS)
) -> Iterator[Path]:
    """Take screenshots of a mail at these widths (px), light and dark.

    Yields the file of each; none if there is no Chromium, or no HTML in the mail.
    """
    program = browser()
    if program is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    parsed = message_from_bytes(mail.read_bytes(), policy=default)
    page = parsed.get_body(("html",))
    chart = next((part for part in parsed.walk() if part.get_content_type() == "image/png"), None)
    if page is None:
        return
    with tempfile.TemporaryDirectory() as work:
        place = Path(work)
        if chart is not None:
            (place / "chart.png").write_bytes(chart.get_content())
        (place / "mail.html").write_text(page.get_content().replace("cid:chart", "chart.png"), encoding="utf-8")
        for width in widths:
            (place / "frame.html").write_text(_FRAME.format(below=_BELOW, width=width), encoding="utf-8")
            for look in looks:
                target = folder / f"{mail.stem}_{width}_{look}.png"
                subprocess.run(
                    [program, *FLAGS, f"--user-data-dir={place / 'profile'}", f"--window-size={width},{TALLEST}",
                     f"--blink-settings=preferredColorScheme={LOOKS[look]}", f"--screenshot={target}",
                     (place / "frame.html").as_uri()],
                    check=True, capture_output=True, timeout=120,
                )  # fmt: skip
                _crop(target, width)
                yield target


def _crop(picture: Path, width: int) -> None:
    """Cut off everything to the right of the mail and below it."""
    from PIL import Image

    with Image.open(picture) as whole:
        image = whole.convert("RGB")
    end = next((y for y in range(image.height) if image.getpixel((0, y)) == _BELOW), image.height)
    image.crop((0, 0, min(width, image.width), end)).quantize(128).save(picture, optimize=True)


def main() -> None:
    """Write screenshots of every mail in the folder of the first argument to the folder of the second."""
    outbox, folder = Path(sys.argv[1]), Path(sys.argv[2])
    if browser() is None:
        print(f"Chromium is not installed: open the .eml files of {outbox} in a mail client")
        return
    for mail in sorted(outbox.glob("*.eml")):
        for picture in pictures(mail, folder):
            print(picture)


if __name__ == "__main__":
    main()
