"""`tenfold detect`: pictures in, boxes out."""

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tenfold.cli import pictures, terminal
from tenfold.client import ClientError, ImageResult, Job, Options, Tenfold, Upload
from tenfold.sample_run import describe

Paths = Annotated[list[str], typer.Argument(help="Files, folders, patterns, or - for standard input.")]
Format = Annotated[str | None, typer.Option("--format", help="json or ndjson: the results as data.")]
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
    form: Format = None,
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
    if form not in {None, "json", "ndjson"}:
        raise typer.BadParameter(f"--format is {form}: json or ndjson is allowed")
    uploads = pictures.gather(paths)
    options = Options(model, conf, iou, max_detections, None, priority, deadline_ms)
    with terminal.connect(url, api_key) as client:
        began = time.monotonic()
        results = list(_results_of(client, uploads, options, wait))
        took_s = time.monotonic() - began
    if form is not None:
        _write(results, form, out)
    saved = _save_images(uploads, results, out or Path("detections")) if save_images else None
    if form is None or saved:
        _show(results, took_s, saved)
    failed = sum(result.detections is None for result in results)
    raise typer.Exit(0 if not failed else 1 if failed == len(results) else 3)


def _results_of(
    client: Tenfold, uploads: list[Upload], options: Options, wait_s: float | None
) -> Iterator[ImageResult]:
    """A result for each upload, in their order, under the index that each has among all."""
    if len(uploads) == 1:
        job = client.detect(uploads, options, wait_s=30.0 if wait_s is None else min(wait_s, 30.0))
        with _canceled_by_ctrl_c(client, [job]):
            yield from job.results if job.results is not None else _wait_for(client, job, wait_s)
        return
    first = 0
    for part in pictures.in_jobs(uploads):
        job = client.submit(part, options)
        with _canceled_by_ctrl_c(client, [job]):
            for result in _wait_for(client, job, wait_s):
                yield msgspec.structs.replace(result, index=first + result.index)
        first += len(part)


def _wait_for(client: Tenfold, job: Job, wait_s: float | None) -> Iterator[ImageResult]:
    follow(client, job, wait_s)
    yield from client.results(job.id)


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
def _canceled_by_ctrl_c(client: Tenfold, jobs: Sequence[Job]) -> Iterator[None]:
    """Nobody waits for the jobs any more when a person pressed Ctrl-C: let the service drop what has not started."""
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(ClientError):
            for job in jobs:
                client.cancel(job.id)
        raise


def _write(results: list[ImageResult], form: str, out: Path | None) -> None:
    lines = msgspec.json.Encoder().encode_lines(results)
    text = lines if form == "ndjson" else msgspec.json.format(msgspec.json.encode({"results": results})) + b"\n"
    if out is None:
        sys.stdout.write(text.decode())
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / f"results.{form}").write_bytes(text)


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
