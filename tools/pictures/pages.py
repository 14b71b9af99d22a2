"""Pictures of the pages for docs/pages.md: `python -m tools.pictures.pages HOME`, the home of the sample agency.

Needs Chromium. A second argument is another folder than docs/pictures/pages/.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Route, sync_playwright

from amkpi.access.reader import Reader, reader_of
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file
from amkpi.core.settings import load_settings
from amkpi.pages.site import Site, open_site
from tools.paths import ROOT
from tools.pictures.mails import browser

FOLDER = ROOT / "docs" / "pictures" / "pages"
# No name server knows it: what is not answered here is not answered at all.
_ADDRESS = "http://pages.invalid/"
_COLOURS = 128


@dataclass(frozen=True)
class Picture:
    """One screenshot. staff_id: who reads. page: its folder below the language, and how its key begins.

    period: as in the address; empty for a page without one. width, height: px; the page is cut off below.
    """

    name: str
    staff_id: str
    page: str
    period: str
    scheme: Literal["light", "dark"]
    width: int
    height: int

    @property
    def start(self) -> str:
        """How the path of the page begins; the name ends with the language."""
        return f"{self.name[-2:]}/{self.page}"


DESK, PHONE = 1280, 360
PICTURES = (
    Picture("overview-desk-vi", "NV002", "overview/", "2026-09", "light", DESK, 1720),
    Picture("overview-phone-vi", "NV002", "overview/", "2026-09", "dark", PHONE, 1500),
    Picture("person-desk-en", "NV006", "person/nv006-", "2026-09", "dark", DESK, 1720),
    Picture("person-phone-vi", "NV006", "person/nv006-", "2026-09", "light", PHONE, 1500),
    Picture("kpi-desk-vi", "NV006", "kpi/cost_to_budget_ratio/team/nv006-", "2026-09", "light", DESK, 1400),
    Picture("client-desk-en", "NV006", "client/kh033-", "", "light", DESK, 1300),
)


def path_of(picture: Picture, site: Site, reader: Reader) -> str:
    """The path of the page of a picture. Raises AmkpiError where the reader has no such page."""
    end = f"{picture.period}.html"
    for path in site.paths(reader):
        if path.startswith(picture.start) and path.endswith(end) and "t12m" not in path:
            return path
    raise AmkpiError(f"{picture.name}: {picture.staff_id} has no page {picture.start}…{end}")


def take(picture: Picture, site: Site, reader: Reader, chromium: Browser, folder: Path) -> Path:
    """Write one picture; returns its file."""

    def answer(route: Route) -> None:
        found = site.page(reader, route.request.url.removeprefix(_ADDRESS))
        if found is None:
            route.fulfill(status=404)
        else:
            route.fulfill(body=found.body, content_type=found.media_type)

    # Two dots a pixel on a phone, as phones have.
    scale = 2 if picture.width < 600 else 1
    page = chromium.new_page(
        viewport={"width": picture.width, "height": 900}, color_scheme=picture.scheme, device_scale_factor=scale
    )
    page.route("**/*", answer)
    page.goto(_ADDRESS + path_of(picture, site, reader))
    target = folder / f"{picture.name}.png"
    page.screenshot(path=target, full_page=True)
    page.close()
    with Image.open(target) as whole:
        image = whole.convert("RGB")
    height = min(image.height, picture.height * scale)
    image.crop((0, 0, image.width, height)).quantize(_COLOURS).save(target, optimize=True)
    return target


def main() -> None:
    """Write all pictures of the current publication of a home."""
    home = Home.at(Path(sys.argv[1]))
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else FOLDER
    program, file = browser(), current_file(home)
    if program is None or file is None:
        sys.exit("install Chromium, and publish the sample agency in the home first")
    folder.mkdir(parents=True, exist_ok=True)
    settings = load_settings(home, {})
    site = open_site(file, settings)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for picture in PICTURES:
            reader = reader_of(site.names, picture.staff_id, settings)
            if reader is None:
                raise AmkpiError(f"{picture.name}: {picture.staff_id} is nobody who reads")
            print(take(picture, site, reader, chromium, folder))
        chromium.close()


if __name__ == "__main__":
    main()
