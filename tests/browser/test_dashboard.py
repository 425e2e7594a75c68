import io
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import FilePayload, Locator, Page, expect

from tenfold.redis_server import RedisServer
from tenfold.settings import Settings
from tests.browser.complaints import Complaints
from tests.integration.gateway.gateway_world import running_gateway
from tests.system.load import PICTURE, Api, files
from tests.system.running import Running, eventually

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(400)]

WIDE, HIGH = 400, 240
WHITE, RED = (255, 255, 255), (242, 33, 33)  # class 0 is drawn in hsl(0 89% 54%)
FINE = {"minor", "moderate"}


def png(name: str = "white.png", size: tuple[int, int] = (WIDE, HIGH)) -> FilePayload:
    out = io.BytesIO()
    Image.new("RGB", size, "white").save(out, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": out.getvalue()}


def upload(page: Page, *pictures: FilePayload) -> None:
    page.locator("#files").set_input_files(list(pictures))


def pixel(canvas: Locator, x: int, y: int) -> tuple[int, ...]:
    data = canvas.evaluate("(c, [x, y]) => [...c.getContext('2d').getImageData(x, y, 1, 1).data]", [x, y])
    return tuple(data[:3])


def is_like(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 24 for a, b in zip(found, wanted, strict=True))


def row_of(page: Page, job_id: str) -> Locator:
    return page.locator("#jobs tr").filter(has=page.locator(f'a[title="{job_id}"]'))


class TestUpload:
    def test_boxes_are_drawn_where_they_are(self, page: Page) -> None:
        """The model finds the middle half of a side: its edges are drawn there, and nothing inside or outside."""
        upload(page, png())
        canvas = page.locator("#pictures canvas")
        expect(canvas).to_have_attribute("aria-label", "white.png: 1 × synthetic")
        assert canvas.evaluate("c => [c.width, c.height]") == [WIDE, HIGH]
        left, top, right, bottom = WIDE // 4, HIGH // 4, WIDE * 3 // 4, HIGH * 3 // 4
        for x, y in [(left, HIGH // 2), (right - 1, HIGH // 2), (WIDE // 2, bottom - 1), (right - 20, top)]:
            assert is_like(pixel(canvas, x, y), RED), (x, y, pixel(canvas, x, y))
        for x, y in [(WIDE // 2, HIGH // 2), (left - 8, HIGH // 2), (right + 8, HIGH // 2), (WIDE // 2, bottom + 8)]:
            assert pixel(canvas, x, y) == WHITE, (x, y)

    def test_large_pictures_are_drawn_smaller_with_their_boxes(self, page: Page) -> None:
        """A canvas never has more than 1280 pixels a side, and the box shrinks with the picture."""
        upload(page, png(size=(2560, 1280)))
        canvas = page.locator("#pictures canvas")
        expect(canvas).to_be_visible()
        assert canvas.evaluate("c => [c.width, c.height]") == [1280, 640]
        assert is_like(pixel(canvas, 320, 320), RED)

    def test_its_way_through_the_queue_stands_beside_it(self, page: Page) -> None:
        """Progress while it runs; then its levels as a picture, its batches, and a link to its page."""
        upload(page, *(png(f"{number}.png") for number in range(12)))
        said = page.locator("#said")
        expect(said).to_contain_text(re.compile(r"(queued|running): \d+ of 12 images"))
        expect(said).to_have_text("succeeded: 12 of 12 images done")
        expect(page.locator("#pictures figure")).to_have_count(12)
        way = page.locator("#way")
        expect(way).to_contain_text("succeeded")
        expect(way.locator("svg.timeline")).to_have_attribute("aria-label", re.compile("entered 1 time.*batched"))
        way.get_by_role("link", name=re.compile("^job ")).click()
        expect(page.locator("#job-title")).to_be_focused()

    def test_names_and_errors_stay_text(self, page: Page) -> None:
        """A file that is no picture says so under its name, whatever that name looks like."""
        name = "<img src=x onerror=alert(1)>.png"
        upload(page, {"name": name, "mimeType": "image/png", "buffer": b"no picture"}, png())
        wrong = page.locator("#pictures figure").filter(has_text=name)
        expect(wrong.locator("p.bad")).to_be_visible()
        expect(page.locator("#said")).to_have_text("succeeded: 1 of 2 images done, 1 with an error")

    def test_pictures_are_enlarged_by_keyboard_in_the_order_given(self, page: Page) -> None:
        """Enter opens one with what was found in it, arrows go to its neighbours, Escape goes back to where one was."""
        upload(page, {"name": "0.png", "mimeType": "image/png", "buffer": b"no picture"}, png("1.png"), png("2.png"))
        names = page.locator("#pictures figcaption strong")
        expect(names).to_have_text(["0.png", "1.png", "2.png"])
        page.get_by_role("button", name="1.png").press("Enter")
        viewer = page.get_by_role("dialog", name="1.png")
        expect(viewer.locator(".classes li")).to_have_text(re.compile("synthetic.*1"))
        assert viewer.locator("canvas").evaluate("c => [c.width, c.height]") == [WIDE, HIGH]
        assert serious(page) == []
        page.keyboard.press("ArrowLeft")  # the first has no picture
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("dialog", name="2.png")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("button", name="2.png")).to_be_focused()


class TestQueue:
    def test_what_is_under_way_stands_before_what_came_later_and_ended(self, page: Page, system: Running) -> None:
        """More single images than the list shows do not push a bulk job out of it."""
        api = Api(system.url)
        job_id = api.submit(400)
        singles = [api.submit(1) for _ in range(18)]
        api.until_final(singles[-1])
        expect(page.locator("#jobs tr").first.locator("a")).to_have_attribute("title", job_id)
        expect(row_of(page, singles[-1])).to_contain_text("took")
        page.reload()
        expect(page.locator("#jobs tr").first.locator("a")).to_have_attribute("title", job_id)
        httpx.delete(f"{system.url}/v1/jobs/{job_id}")

    def test_progress_moves_and_cancel_works_by_keyboard(self, page: Page, system: Running) -> None:
        """A bulk job's bar grows by itself; Enter on its button cancels it."""
        job_id = Api(system.url).submit(200)
        row = row_of(page, job_id)
        bar = row.locator("progress")
        expect(bar).to_have_attribute("max", "200")
        assert eventually(lambda: float(bar.get_attribute("value") or 0) > 0)
        seen = float(bar.get_attribute("value") or 0)
        assert eventually(lambda: float(bar.get_attribute("value") or 0) > seen)
        row.get_by_role("button", name="Cancel").press("Enter")
        expect(row.locator(".chip")).to_have_text("canceled")
        expect(row.get_by_role("button")).to_have_count(0)
        assert Api(system.url).job(job_id)["state"] == "canceled"

    def test_live_batches_show_who_shares_them(self, page: Page, system: Running) -> None:
        """A batch with the worker is a tile in its level's lane and in the worker's card, a cell an image."""
        job_id = Api(system.url).submit(120)
        tile = page.locator("#levels [aria-label='Level 2'] .tile.running").first
        expect(tile).to_have_attribute("aria-label", re.compile("Batch of 10 images of 1 job of 1 client, with worker"))
        expect(page.locator("#workers .tile").first).to_be_visible()
        expect(page.locator("#workers")).to_contain_text(re.compile("values-worker.*tenfold:values · 0 due, 0 to come"))
        expect(page.locator("#figure-waiting .value")).not_to_have_text("0 images")
        httpx.delete(f"{system.url}/v1/jobs/{job_id}")

    def test_an_open_job_is_shown_as_such(self, page: Page, system: Running) -> None:
        """Its row says that more may come, and grows with each part; its page tells of the parts and the close."""
        job_id = httpx.post(f"{system.url}/v1/jobs?open=1").json()["id"]
        row = row_of(page, job_id)
        expect(row).to_contain_text("queued open")
        at = f"{system.url}/v1/jobs/{job_id}"
        for images in (3, 12):
            assert httpx.post(f"{at}/images", files=files([PICTURE] * images)).status_code == 202
        expect(row.locator("progress")).to_have_attribute("max", "15")
        assert httpx.post(f"{at}/close").status_code == 200
        row.get_by_role("link").click()
        expect(page.locator("#job-facts")).to_contain_text("15 of 15 images")
        page.get_by_text("In words").click()
        words = page.locator("#job-trace")
        for told in ("(level 0, 0 images, open for more)", "more images were added", "closed: no more images follow"):
            expect(words).to_contain_text(told)

    def test_a_jobs_page_tells_its_story(self, open_page: Callable[..., Page], system: Running) -> None:
        """Opened by its address: facts, trace as a picture and in words, pictures with boxes, downloads."""
        api = Api(system.url)
        job_id = api.submit(25)
        api.until_final(job_id)
        page = open_page(f"{system.url}/#/jobs/{job_id}")
        expect(page.locator("#job-facts")).to_contain_text("25 of 25 images")
        expect(page.locator("#job-timeline svg .mark")).to_have_count(3)
        page.get_by_text("In words").click()
        expect(page.locator("#job-trace li").first).to_contain_text("entered the queue (level 1, 25 images)")
        expect(page.locator("#job-pictures img")).to_have_count(12)
        page.get_by_role("button", name="Show more").click()
        expect(page.locator("#job-pictures img")).to_have_count(24)
        with page.expect_download() as saved:
            page.get_by_role("button", name="CSV").click()
        assert saved.value.suggested_filename.endswith(".csv")
        page.get_by_role("link", name="← Overview").click()
        expect(page.locator("#overview")).to_be_visible()

    def test_a_jobs_page_grows_with_its_results(self, open_page: Callable[..., Page], system: Running) -> None:
        """Opened before anything is done, it shows each picture once it is; beyond a dozen they are behind a button."""
        job_id = httpx.post(f"{system.url}/v1/jobs?open=1").json()["id"]
        at = f"{system.url}/v1/jobs/{job_id}"
        page = open_page(f"{system.url}/#/jobs/{job_id}")
        for images, shown in ((3, 3), (12, 12)):
            assert httpx.post(f"{at}/images", files=files([PICTURE] * images)).status_code == 202
            expect(page.locator("#job-pictures figure")).to_have_count(shown)
        page.get_by_role("button", name="Show more").click()
        expect(page.locator("#job-pictures figure")).to_have_count(15)
        assert httpx.post(f"{at}/close").status_code == 200

    def test_a_cancel_that_fails_is_told_where_it_was_asked_for(
        self, open_page: Callable[..., Page], system: Running, complaints: Complaints
    ) -> None:
        """On a job's page too, and not in the card of uploads, which is hidden there."""
        complaints.expected = "status of 503"
        job_id = httpx.post(f"{system.url}/v1/jobs?open=1").json()["id"]
        page = open_page(f"{system.url}/#/jobs/{job_id}")
        refusal = {"status": 503, "json": {"title": "Service Unavailable", "detail": "Redis does not answer"}}
        page.route(
            f"**/v1/jobs/{job_id}",
            lambda route: route.fulfill(**refusal) if route.request.method == "DELETE" else route.continue_(),
        )
        page.get_by_role("button", name="Cancel job").click()
        expect(page.locator("#job-said")).to_have_text("Redis does not answer")
        httpx.delete(f"{system.url}/v1/jobs/{job_id}")

    def test_a_job_that_is_not_there_is_a_sentence(
        self, open_page: Callable[..., Page], system: Running, complaints: Complaints
    ) -> None:
        """What may have become of it, and no empty boxes below."""
        complaints.expected = "status of 404"
        page = open_page(f"{system.url}/#/jobs/nosuchjob")
        expect(page.locator("#job-facts")).to_contain_text("there is no job 'nosuchjob'")
        expect(page.locator("#job section:visible")).to_have_count(1)

    def test_history_is_there_when_the_page_is_opened(self, page: Page) -> None:
        """Charts show minutes that passed before anybody looked."""
        line = page.locator("#figure-rate path.line.accent")
        expect(line).to_have_attribute("d", re.compile("M.*( L.*){2}"))


class TestWhatElseIsThere:
    def test_models_stand_with_their_versions_and_workers(self, page: Page) -> None:
        """What a model is, and how many workers hold which version of it."""
        expect(page.locator("#models")).to_contain_text("of known cost, finds nothing real")
        expect(page.locator("#models")).to_contain_text("with 1 worker")

    def test_a_run_of_values_can_be_begun_and_seen(self, page: Page) -> None:
        """The button begins one, and its progress stands there."""
        button = page.get_by_role("button", name="Generate 50")
        button.click()
        expect(page.locator("#values")).to_contain_text(re.compile(r"\d+ of 50 values stored"))
        expect(button).to_be_disabled()


def test_the_page_goes_on_after_the_gateway_was_killed(
    open_page: Callable[..., Page], system: Running, complaints: Complaints
) -> None:
    """It says that nobody answers, comes back by itself, and the upload under way ends with every picture."""
    # The browser itself notes each request that found nobody; nothing else may be there.
    complaints.expected = "^Failed to load resource"
    page = open_page(system.url)
    upload(page, *(png(f"{number}.png") for number in range(45)))
    expect(page.locator("#pictures figure").first).to_be_visible()
    system.children()["gateway"].send_signal(signal.SIGKILL)
    expect(page.locator("#lost")).to_be_visible()
    expect(page.locator("#lost")).to_be_hidden(timeout=60_000)
    expect(page.locator("#said")).to_have_text("succeeded: 45 of 45 images done", timeout=60_000)
    expect(page.locator("#pictures figure")).to_have_count(45)
    expect(page.locator("#health")).to_have_text("ready")


def test_without_redis_the_page_says_what_is_missing(
    open_page: Callable[..., Page], tmp_path: Path, complaints: Complaints
) -> None:
    """Opened during an outage it is no page of empty boxes: it says what does not answer, and goes on when it does."""
    complaints.expected = "status of 503"
    server = RedisServer(tmp_path)
    with running_gateway(server.url, Settings(redis_url=server.url, model=("toy",))) as (_, address):
        page = open_page(address)
        expect(page.locator("#lost")).to_contain_text("The service cannot tell how it stands: Redis does not answer")
        with server:
            expect(page.locator("#lost")).to_be_hidden()
            expect(page.locator("#levels")).to_contain_text("No scheduler tells")
            page.close()  # before its gateway goes


def test_where_keys_are_on_the_page_asks_for_one(
    open_page: Callable[..., Page], redis_url: str, complaints: Complaints
) -> None:
    """Where nothing is public, nothing is shown and nothing can be done without one; and it can be forgotten."""
    complaints.expected = "status of (401|503)"  # no key yet; and this gateway has no scheduler, so it is not ready
    settings = Settings(redis_url=redis_url, model=("toy",), api_keys=("one:first-secret",), public_status=False)
    with running_gateway(redis_url, settings) as (_, address):
        page = open_page(address)
        expect(page.locator("#locked")).to_be_visible()
        expect(page.locator("#overview")).to_be_hidden()
        page.get_by_label("API key").fill("wrong")
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator("#locked-said")).to_contain_text("this API key is not known")
        page.get_by_label("API key").fill("first-secret")
        page.get_by_label("API key").press("Enter")
        expect(page.locator("#jobs")).to_contain_text("No job yet")
        assert page.evaluate("Object.values({...localStorage})") == []
        page.get_by_role("button", name="Forget key").click()
        expect(page.locator("#locked")).to_be_visible()
        page.close()  # before its gateway goes


def test_without_a_key_the_figures_are_there_to_see(
    open_page: Callable[..., Page], redis_url: str, complaints: Complaints
) -> None:
    """No request is refused; uploads and jobs are not there, a job's page asks for a key, and with one all is there."""
    complaints.expected = "status of 503"  # this gateway has no scheduler, so it is not ready
    settings = Settings(redis_url=redis_url, model=("toy",), api_keys=("one:first-secret",))
    with running_gateway(redis_url, settings) as (_, address):
        page = open_page(address)
        expect(page.locator("#figure-rate")).to_contain_text("images/s")
        expect(page.get_by_text("Only the figures are open")).to_be_visible()
        expect(page.locator("#workers")).to_contain_text("No worker lives")
        for card in ("#detect-card", "#jobs-card"):
            expect(page.locator(card)).to_be_hidden()
        assert serious(page) == []
        complaints.expected = "status of (401|503)"  # a job's page is asked for, and refused
        page.goto(f"{address}/#/jobs/abcdefgh")
        expect(page.get_by_text("This service asks for a key")).to_be_visible()
        expect(page.locator("#overview")).to_be_hidden()
        page.get_by_role("link", name="Tenfold").click()
        expect(page.get_by_text("Only the figures are open")).to_be_visible()
        page.get_by_label("API key").fill("first-secret")
        page.get_by_label("API key").press("Enter")
        expect(page.locator("#jobs")).to_contain_text("No job yet")
        expect(page.locator("#detect-card")).to_be_visible()
        expect(page.locator("#locked")).to_be_hidden()
        page.get_by_role("button", name="Forget key").click()
        expect(page.get_by_text("Only the figures are open")).to_be_visible()
        page.close()  # before its gateway goes


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [(9.94, "9.9 ms"), (59_900, "59.9 s"), (119_700, "2 min 0 s"), (3_599_900, "1.0 h"), (172_800_000, "2.0 days")],
)
def test_times_are_told_as_people_read_them(page: Page, milliseconds: float, told: str) -> None:
    """No minute has sixty seconds."""
    said = page.evaluate("async (ms) => (await import('/dashboard/words.js')).duration(ms)", milliseconds)
    assert said == told


class TestForEverybody:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_nothing_serious(self, open_page: Callable[..., Page], system: Running, scheme: str) -> None:
        """Overview under load with an upload, a job's page, and a phone: no serious or critical finding."""
        job_id = Api(system.url).submit(60)
        page = open_page(system.url, color_scheme=scheme)
        upload(page, png())
        expect(page.locator("#way svg")).to_be_visible()
        expect(page.locator("#pictures canvas")).to_be_visible()
        assert serious(page) == []
        page.set_viewport_size({"width": 390, "height": 800})
        assert serious(page) == []
        page.goto(f"{system.url}/#/jobs/{job_id}")
        expect(page.locator("#job-timeline svg")).to_be_visible()
        assert serious(page) == []

    def test_a_phone_shows_all_of_it_without_scrolling_sideways(
        self, open_page: Callable[..., Page], system: Running
    ) -> None:
        """At 360 pixels nothing is wider than the screen."""
        page = open_page(system.url, viewport={"width": 360, "height": 740})
        expect(page.locator("#jobs tr").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360

    def test_the_choice_of_colours_is_kept(self, page: Page) -> None:
        """Dark stays dark after a reload, whatever the system has."""
        button = page.locator("#theme")
        button.click()
        button.click()
        expect(button).to_have_text("Colours: dark")
        page.reload()
        expect(button).to_have_text("Colours: dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 18)"


def serious(page: Page) -> list[str]:
    found = cast("dict[str, Any]", Axe().run(page).response)["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found
        if one["impact"] not in FINE
        for node in one["nodes"]
    ]
