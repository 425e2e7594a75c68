"""`tenfold detect`: pictures in, boxes out."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tenfold.cli import findings, formats, pictures, terminal
from tenfold.cli.drawing import Drawer
from tenfold.cli.formats import Part
from tenfold.cli.terminal import Bar
from tenfold.client import ClientError, ImageResult, Job, Options, ResultCommitted, Tenfold, Upload, WaitRanOut
from tenfold.client.events import job_after

Paths = Annotated[list[str], typer.Argument(help="Files, folders, patterns, or - for standard input.")]
Out = Annotated[Path | None, typer.Option(help="A folder for results and pictures.", show_default="stdout")]
DRAWN_IN = Path("detections")
SaveImages = Annotated[
    bool, typer.Option("--save-images", help=f"Draw what was found on copies, as PNG in --out, else in {DRAWN_IN}/.")
]
Wait = Annotated[float | None, typer.Option(min=0, help="Seconds to wait before giving up (status 124).")]

EXAMPLES = terminal.examples(
    "tenfold detect photo.jpg",
    "tenfold detect photos/ --save-images --out found",
    "tenfold detect 'scans/**/*.png' --format csv > found.csv",
    "cat photo.jpg | tenfold detect - --json",
)


def detect(
    paths: Paths,
    model: terminal.Model = None,
    conf: terminal.Conf = None,
    iou: terminal.Iou = None,
    max_detections: terminal.MaxDetections = None,
    imgsz: terminal.ImgSz = None,
    priority: terminal.Priority = None,
    deadline_ms: terminal.DeadlineMs = None,
    form: formats.Format = None,
    out: Out = None,
    save_images: SaveImages = False,
    wait: Wait = None,
    as_json: terminal.AsJson = False,
    url: terminal.Url = terminal.URL,
    api_key: terminal.ApiKey = None,
) -> None:
    """Find objects in pictures. Several pictures travel as one job, many of them in parts."""
    form = formats.chosen(form, as_json=as_json)
    formats.check(form, out)
    uploads = pictures.gather(paths)
    pictures.refuse_archives(uploads)
    options = Options(model, conf, iou, max_detections, imgsz, priority, deadline_ms)
    drawer = Drawer(uploads, out or DRAWN_IN) if save_images else None
    began_s = time.monotonic()
    with terminal.connect(url, api_key) as client:
        with terminal.bar(len(uploads)) as bar:
            asking = _Asking(client, bar, drawer, None if wait is None else began_s + wait)
            parts = list(asking.send(uploads, options))
        took_s = time.monotonic() - began_s
        if form is not None:
            formats.write(client, parts, form, out)
        results = [result for part in parts for result in part.results]
        if form is None or drawer:
            findings.show(results, len(uploads), took_s, drawer)
            findings.tell_what_is_known(client, model, results)
    raise typer.Exit(_exit_status_of(results, len(uploads)))


class _Asking:
    """One command's pictures on their way: sent, waited for, and what came back taken up at once."""

    def __init__(self, client: Tenfold, bar: Bar, drawer: Drawer | None, give_up_at_s: float | None) -> None:
        self._client = client
        self._bar = bar
        self._drawer = drawer
        self._give_up_at_s = give_up_at_s
        self._job: Job | None = None
        self._taken = 0

    def send(self, uploads: Sequence[Upload], options: Options) -> Iterator[Part]:
        """The uploads in as few jobs as the service's limits allow, each with its results once it is over."""
        first = 0
        for images in pictures.in_jobs(uploads):
            self._job = None
            yield self._alone(images, options) if len(uploads) == 1 else self._together(images, options, first)
            first += len(images)

    def _alone(self, images: list[Upload], options: Options) -> Part:
        self._bar.says("waiting for the result")
        job = self._client.detect(images, options, wait_s=self._left_s())
        results = job.results or []
        for result in results:
            self._take(result)
        return Part(job.id, results)

    def _together(self, images: list[Upload], options: Options, first: int) -> Part:
        self._bar.says(f"sending {sum(image.size for image in images) / 2**20:.1f} MiB")
        with self._canceled_by_ctrl_c():
            job = self._client.submit(images, options, on_sent=lambda job, sent: self._sent(job, sent, images, first))
            self._bar.says(f"job {job.id[-8:]}")
            results = list(self._follow(job, first))
        return Part(job.id, sorted(results, key=lambda result: result.index), first)

    def _sent(self, job: Job, sent: int, images: Sequence[Upload], first: int) -> None:
        self._job = job
        self._bar.says(f"sent {sent} of {len(images)}")
        self._bar.at_least(first + job.images.finished)
        if sent < len(images) and self._left_s() == 0:
            said = f"{sent} of {len(images)} pictures were sent in the time given: job {job.id} is canceled"
            raise WaitRanOut(said, job.id)

    def _follow(self, job: Job, first: int) -> Iterator[ImageResult]:
        now: Job | None = job
        for event in self._client.events(job.id, timeout_s=self._left_s()):
            now = job_after(now, event)
            if isinstance(event, ResultCommitted):
                result = msgspec.structs.replace(event.result, index=first + event.result.index)
                self._take(result)
                yield result
        if now is not None and now.state in {"canceled", "expired"}:
            terminal.note(f"job {job.id} is {now.state}: what had not started was dropped")

    def _take(self, result: ImageResult) -> None:
        if self._drawer is not None:
            self._drawer.draw(result)
        self._taken += 1
        self._bar.at_least(self._taken)

    def _left_s(self) -> float | None:
        return None if self._give_up_at_s is None else max(0.0, self._give_up_at_s - time.monotonic())

    @contextlib.contextmanager
    def _canceled_by_ctrl_c(self) -> Iterator[None]:
        """Nobody waits for the job any more when a person pressed Ctrl-C: let the service drop what has not started."""
        try:
            yield
        except KeyboardInterrupt:
            if self._job is not None:
                with contextlib.suppress(ClientError):
                    self._client.cancel(self._job.id)
            raise


def follow(client: Tenfold, job: Job, wait_s: float | None) -> Job:
    """Watch a job to its end behind a progress bar, and give it as it ended. Raises WaitRanOut."""
    with terminal.bar(job.images.total) as bar:
        bar.says(f"job {job.id[-8:]}")
        for now in client.watch(job.id, timeout_s=wait_s):
            bar.reach(now.images.finished)
            job = now
    return job


def _exit_status_of(results: Sequence[ImageResult], wanted: int) -> int:
    """0 where every picture has a result, 1 where none has, 3 between."""
    good = sum(result.detections is not None for result in results)
    return 0 if good == wanted else 3 if good else 1
