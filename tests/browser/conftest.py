"""A system with a model of known cost and answer, and pages of a real Chromium that must not complain."""

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.browser.chromium import FLAGS, executable
from tests.browser.complaints import Complaints
from tests.system.running import Running, running

SLOW_ENOUGH_TO_SEE = "synthetic:base_ms=20,item_ms=25"


# By module: Playwright's loop runs in this thread, and other tests want one of their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; a laptop without one skips, CI fails."""
    path = executable()
    if path is None:
        why = "no Chromium here: install Debian's `chromium`, or name one by CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def system(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One worker that takes 27 ms for an image and a quarter of a second for ten, and finds the middle of each."""
    with running(tmp_path_factory.mktemp("browser"), "--no-sample", "--model", SLOW_ENOUGH_TO_SEE) as up:
        yield up


@pytest.fixture
def complaints() -> Complaints:
    """Of this test; whatever it does not expect fails it at its end."""
    return Complaints()


@pytest.fixture
def open_page(browser: Browser, complaints: Complaints) -> Iterator[Callable[..., Page]]:
    """Opens a page: a URL, and what the browser should be (viewport, color_scheme …)."""
    contexts = []

    def opened(url: str, **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.heard.extend(_complaint(message)))
        page.on("pageerror", lambda error: complaints.heard.append(str(error)))
        page.set_default_timeout(20_000)
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints.unexpected() == []


def _complaint(message: ConsoleMessage) -> list[str]:
    return [f"{message.text} {message.location['url']}"] if message.type == "error" else []


@pytest.fixture
def page(open_page: Callable[..., Page], system: Running) -> Page:
    """The dashboard of the system."""
    return open_page(system.url)
