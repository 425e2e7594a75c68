"""`tenfold detect`: pictures in, boxes out."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tenfold.cli import formats, pictures, terminal
from tenfold.cli.formats import Part
from tenfold.client import ClientError, ImageResult, Job, Options, Tenfold, Upload
from tenfold.sample_run import describe

Paths = Annotated[list[str], typer.Argument(help="Files, folders, patterns, or - for standard input.")]
Out = Annotated[Path | None, typer.Option(help="A folder for results and pictures.", show_default="stdout")]
SaveImages = Annotated[bool, typer.Option("--save-images", help="Draw what was found on copies, as PNG in --out.")]
Wait = Annotated[float | None, typer.Option(help="Seconds to wait before giving up (status 124).")]


def detect(
    paths: Paths,
    model: terminal.Model = None,
    conf: terminal.Conf = None,
    iou: terminal.Iou = None,
    max_detections: terminal.MaxDetections = None,
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
    """Find objects in pictures.

    Examples: `tenfold detect photo.jpg`, `tenfold detect photos/ --save-images --out found`,
    `tenfold detect 'scans/**/*.png' --json`. Several pictures travel as one job.
    """
    form = "json" if as_json and form is None else form
    formats.check(form, out)
    uploads = pictures.gather(paths)
    options = Options(model, conf, iou, max_detections, None, priority, deadline_ms)
    with terminal.connect(url, api_key) as client:
        began = time.monotonic()
        parts = list(_send(client, uploads, options, wait))
        took_s = time.monotonic() - began
        if form is not None:
            formats.write(client, parts, form, out)
    results = [result for part in parts for result in part.results]
    saved = _save_images(uploads, results, out or Path("detections")) if save_images else None
    if form is None or saved:
        _show(results, took_s, saved)
    failed = sum(result.detections is None for result in results)
    raise typer.Exit(0 if not failed else 1 if failed == len(results) else 3)


def _send(client: Tenfold, uploads: list[Upload], options: Options, wait_s: float | None) -> Iterator[Part]:
    """The uploads in as few jobs as the service's limits allow, each with its results once it is over."""
    first = 0
    for images in pictures.in_jobs(uploads):
        job = _start(client, images, options, wait_s)
        with _canceled_by_ctrl_c(client, job):
            results = job.results if job.results is not None else _wait_for(client, job, wait_s)
        yield Part(job.id, [msgspec.structs.replace(result, index=first + result.index) for result in results])
        first += len(images)


def _start(client: Tenfold, images: list[Upload], options: Options, wait_s: float | None) -> Job:
    if len(images) > 1:
        return client.submit(images, options)
    return client.detect(images, options, wait_s=30.0 if wait_s is None else min(wait_s, 30.0))


def _wait_for(client: Tenfold, job: Job, wait_s: float | None) -> list[ImageResult]:
    follow(client, job, wait_s)
    return list(client.results(job.id))


def follow(client: Tenfold, job: Job, wait_s: float | None) -> Job:
    """Watch a job to its end behind a progress bar, and give it as it ended. Raises WaitRanOut."""
    began = time.monotonic()
    with terminal.progress() as bar:
        task = bar.add_task(f"job {job.id[:8]}", total=job.images.total, rate="")
        for now in client.watch(job.id, timeout_s=wait_s):
            finished = now.images.done + now.images.failed
            rate = finished / max(time.monotonic() - began, 1e-9)
            bar.update(task, completed=finished, total=now.images.total, rate=f"{rate:.1f} images/s")
            job = now
    return job


@contextlib.contextmanager
def _canceled_by_ctrl_c(client: Tenfold, job: Job) -> Iterator[None]:
    """Nobody waits for the job any more when a person pressed Ctrl-C: let the service drop what has not started."""
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(ClientError):
            client.cancel(job.id)
        raise


def _save_images(uploads: list[Upload], results: list[ImageResult], folder: Path) -> Path:
    from tenfold.annotate import annotate

    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        if result.detections is not None:
            upload = uploads[result.index]
            # The name is data: only its letters go into the path, and the index keeps two of a kind apart.
            target = folder / f"{result.index:05d}-{Path(upload.name).stem}.png"
            annotate(upload.read(), result.detections).save(target)
    return folder


def _show(results: list[ImageResult], took_s: float, saved: Path | None) -> None:
    console = terminal.people()
    if len(results) <= 50:
        rows = [(result.name, f"{result.width}×{result.height}", describe(result)) for result in results]
        console.print(terminal.table("Found", ("picture", "pixels", "found"), rows))
    counts = Counter(found.label for result in results for found in result.detections or ())
    summary = ", ".join(f"{count} {label}" for label, count in counts.most_common()) or "nothing"
    failed = sum(result.detections is None for result in results)
    console.print(f"{len(results)} pictures in {took_s:.1f} s ({len(results) / max(took_s, 1e-9):.1f}/s): {summary}")
    if failed:
        console.print(f"{failed} could not be used", style="red")
    if saved is not None:
        console.print(f"annotated pictures lie in {saved}")
