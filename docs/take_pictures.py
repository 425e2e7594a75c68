"""Takes the pictures of the dashboard that the docs show: a real system with the demo model, under mixed load.

``python docs/take_pictures.py`` writes ``docs/pictures/dashboard-*.png``; ``CHROMIUM`` names another browser.
"""

from __future__ import annotations

import io
import itertools
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.chromium import FLAGS, executable  # noqa: E402
from tests.system.running import running  # noqa: E402

SCENES = sorted((ROOT / "examples" / "images").glob("*.jpg"))
PICTURES = ROOT / "docs" / "pictures"
WARM_UP_MS = int(os.environ.get("WARM_UP_MS", "60000"))

# Loopback addresses are clients of their own: (last part of the address, images a job, pause between jobs).
CLIENTS = ((2, 120, 60.0), (3, 30, 12.0), (4, 5, 3.0), (5, 1, 0.9), (6, 1, 1.3))


def main() -> None:
    """Start, load, look."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), "--no-sample", "--workers", "2") as system:
        ended = threading.Event()
        load = [threading.Thread(target=keep_sending, args=(system.url, client, ended)) for client in CLIENTS]
        for thread in load:
            thread.start()
        try:
            look(system.url)
        finally:
            ended.set()
            for thread in load:
                thread.join()


def keep_sending(url: str, client: tuple[int, int, float], ended: threading.Event) -> None:
    """Send jobs of one size from an address of its own until ``ended``."""
    last, images, pause_s = client
    scenes = itertools.cycle([(path.name, path.read_bytes(), "image/jpeg") for path in SCENES])
    transport = httpx.HTTPTransport(local_address=f"127.0.0.{last}")
    with httpx.Client(base_url=url, transport=transport, timeout=60) as http:
        while not ended.is_set():
            files = [("files", next(scenes)) for _ in range(images)]
            http.post("/v1/jobs", files=files)
            ended.wait(pause_s)


def look(url: str) -> None:
    """Take each picture."""
    with opened(1280, 1000) as page:
        page.goto(url)
        page.wait_for_timeout(5000)
        bulk = max(httpx.get(f"{url}/v1/jobs?limit=200").json()["jobs"], key=lambda job: int(job["images"]["total"]))
        page.wait_for_timeout(WARM_UP_MS)
        take(page, "dashboard.png", whole=False)
        page.locator("#files").set_input_files(SCENES[:4])
        page.locator("#pictures figure").nth(3).wait_for(timeout=60_000)
        page.wait_for_timeout(1500)
        take(page, "dashboard-light.png")
        page.emulate_media(color_scheme="dark")
        take(page, "dashboard-dark.png")
        page.emulate_media(color_scheme="light")
        page.goto(f"{url}/#/jobs/{bulk['id']}")
        page.locator("#job-pictures img").nth(2).wait_for(timeout=60_000)
        take(page, "dashboard-job.png", whole=False)
        page.locator("#job-pictures .enlarge").first.click()
        page.locator("#viewer img").wait_for()
        page.wait_for_timeout(500)
        take(page, "dashboard-picture.png", whole=False)
    with opened(390, 1300) as page:
        page.goto(url)
        page.wait_for_timeout(4000)
        take(page, "dashboard-phone.png", whole=False)


def take(page: Page, name: str, *, whole: bool = True) -> None:
    """Write a picture in 256 colours: a quarter of the size, and nobody sees it."""
    shot = Image.open(io.BytesIO(page.screenshot(full_page=whole)))
    shot.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT).save(PICTURES / name, optimize=True)


@contextmanager
def opened(width: int, height: int) -> Iterator[Page]:
    """A page of a browser of its own."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=executable(), args=FLAGS)
        try:
            yield browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        finally:
            browser.close()


if __name__ == "__main__":
    main()
