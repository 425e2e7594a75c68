"""`tenfold jobs …`: batch jobs."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli import formats, gallery, pictures, story, terminal
from tenfold.cli.detect import Wait, follow
from tenfold.client import Job, Options, Tenfold, Upload
from tenfold.contract.states import JobState

app = typer.Typer(help="Batch jobs: submit, look at, wait for, close, cancel.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]
STATES = tuple(str(state) for state in JobState)
State = Annotated[
    str | None, typer.Option(help=f"Only jobs in this state: {', '.join(STATES)}.", autocompletion=lambda: list(STATES))
]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many at most.")]
PicturesOut = Annotated[
    Path | None, typer.Option("--out", help="A .zip file, or a folder.", show_default="ID.images.zip")
]
Sendable = Annotated[
    list[str],
    typer.Argument(help="Files, folders, patterns, - for standard input; or one archive (.zip, .tar, .tar.gz)."),
]
MISSING_TOLD_MAX = 20
OutFile = Annotated[Path | None, typer.Option("--out", help="A file for the results.", show_default="stdout")]


@app.command(
    epilog=terminal.examples(
        "tenfold jobs submit photos/ --priority low", "tenfold jobs watch $(tenfold jobs submit photos/)"
    )
)
def submit(
    paths: Sendable,
    model: terminal.Model = None,
    conf: terminal.Conf = None,
    iou: terminal.Iou = None,
    max_detections: terminal.MaxDetections = None,
    imgsz: terminal.ImgSz = None,
    priority: terminal.Priority = None,
    deadline_ms: terminal.DeadlineMs = None,
    as_json: terminal.AsJson = False,
    url: terminal.Url = terminal.URL,
    api_key: terminal.ApiKey = None,
) -> None:
    """Send pictures as a batch job and print its id, without waiting for results. Many pictures travel in parts."""
    options = Options(model, conf, iou, max_detections, imgsz, priority, deadline_ms)
    uploads = pictures.gather(paths)
    with terminal.connect(url, api_key) as client, terminal.bar(len(uploads)) as bar:
        jobs = [_send(client, images, options, bar) for images in pictures.in_jobs(uploads)]
    if as_json:
        terminal.print_json({"jobs": jobs})
        return
    for job in jobs:
        print(job.id)
    if sys.stdout.isatty():
        last = jobs[-1].id
        terminal.note(f"`tenfold jobs watch {last}` waits for it, `results`, `images` and `trace` tell of it")


def _send(client: Tenfold, images: Sequence[Upload], options: Options, bar: terminal.Bar) -> Job:
    """Send one job's pictures; who stops that with Ctrl-C learns which job has a part of them."""
    begun: list[tuple[Job, int]] = []

    def note(job: Job, sent: int) -> None:
        bar.says(f"sent, job {job.id[-8:]}")
        bar.advance(sent - (begun[-1][1] if begun else 0))
        begun.append((job, sent))

    try:
        return client.submit(images, options, on_sent=note)
    except KeyboardInterrupt:
        if begun:
            job, sent = begun[-1]
            terminal.note(
                f"job {job.id} has {sent} of {len(images)} pictures and is open for more; "
                f"`tenfold jobs close {job.id}` lets it end with these, `tenfold jobs cancel {job.id}` drops them"
            )
        raise


@app.command(
    "list", epilog=terminal.examples("tenfold jobs list --state running", "tenfold jobs list --limit 100 --json")
)
def list_jobs(
    state: State = None,
    limit: Limit = 20,
    as_json: terminal.AsJson = False,
    url: terminal.Url = terminal.URL,
    api_key: terminal.ApiKey = None,
) -> None:
    """The newest jobs."""
    with terminal.connect(url, api_key) as client:
        page = client.jobs(state=state, limit=limit)
    _show(page.jobs, as_json, {"jobs": page.jobs, "next_cursor": page.next_cursor})


@app.command(epilog=terminal.examples("tenfold jobs show ID"))
def show(
    job_id: JobId, as_json: terminal.AsJson = False, url: terminal.Url = terminal.URL, api_key: terminal.ApiKey = None
) -> None:
    """One job as it is now."""
    with terminal.connect(url, api_key) as client:
        job = client.job(job_id)
    _show_one(job, as_json)


@app.command(epilog=terminal.examples("tenfold jobs watch ID", "tenfold jobs watch ID --wait 60"))
def watch(
    job_id: JobId,
    wait: Wait = None,
    as_json: terminal.AsJson = False,
    url: terminal.Url = terminal.URL,
    api_key: terminal.ApiKey = None,
) -> None:
    """Wait until a job is over; Ctrl-C leaves the job alone."""
    with terminal.connect(url, api_key) as client:
        job = follow(client, client.job(job_id), wait)
    _show_one(job, as_json)
    raise typer.Exit(terminal.exit_status_of(job))


@app.command(
    epilog=terminal.examples(
        "tenfold jobs results ID --format coco --out found.json", "tenfold jobs results ID --format ndjson | head -1"
    )
)
def results(
    job_id: JobId,
    form: formats.Format = None,
    out: OutFile = None,
    as_json: terminal.AsJson = False,
    url: terminal.Url = terminal.URL,
    api_key: terminal.ApiKey = None,
) -> None:
    """A job's results so far, as JSON unless --format says otherwise."""
    form = formats.chosen(form, as_json=as_json) or "json"
    formats.check(form, out)
    with terminal.connect(url, api_key) as client:
        # JSON comes in pages, which are put together; the other formats come whole.
        data = formats.as_json(list(client.results(job_id))) if form == "json" else client.results_as(job_id, form)
    if out is None:
        sys.stdout.write(data.decode())
    else:
        out.write_bytes(data)


@app.command(
    epilog=terminal.examples(
        "tenfold jobs images ID", "tenfold jobs images ID --out found/", "tenfold jobs images ID --out found.zip"
    )
)
def images(
    job_id: JobId,
    out: PicturesOut = None,
    as_json: terminal.AsJson = False,
    url: terminal.Url = terminal.URL,
    api_key: terminal.ApiKey = None,
) -> None:
    """A job's pictures with what was found drawn on them, while the service keeps them.

    Exits with 3 where some are missing; why is said.
    """
    with terminal.connect(url, api_key) as client:
        saved = gallery.save(client, job_id, out or Path(f"{job_id}.images.zip"))
    if as_json:
        terminal.print_json({"out": str(saved.out), "pictures": saved.pictures, "missing": saved.missing})
    else:
        _tell_of_pictures(saved)
    raise typer.Exit(3 if saved.missing else 0)


def _tell_of_pictures(saved: gallery.Saved) -> None:
    terminal.people().print(f"{terminal.count(saved.pictures, 'picture')} in {saved.out}", markup=False)
    if saved.missing:
        rows = saved.missing[:MISSING_TOLD_MAX]
        terminal.people().print(terminal.table("Missing", ("index", "picture", "why"), rows))
    if len(saved.missing) > MISSING_TOLD_MAX:
        terminal.note(f"and {len(saved.missing) - MISSING_TOLD_MAX} more: missing.txt in the zip has them all")


@app.command(epilog=terminal.examples("tenfold jobs close ID"))
def close(
    job_id: JobId, as_json: terminal.AsJson = False, url: terminal.Url = terminal.URL, api_key: terminal.ApiKey = None
) -> None:
    """Say that no more pictures follow: a job that is open for more ends with what it has."""
    with terminal.connect(url, api_key) as client:
        job = client.close_job(job_id)
    _show_one(job, as_json)


@app.command(epilog=terminal.examples("tenfold jobs cancel ID"))
def cancel(
    job_id: JobId, as_json: terminal.AsJson = False, url: terminal.Url = terminal.URL, api_key: terminal.ApiKey = None
) -> None:
    """Drop what has not started of a job; what is done stays."""
    with terminal.connect(url, api_key) as client:
        job = client.cancel(job_id)
    _show_one(job, as_json)


@app.command(epilog=terminal.examples("tenfold jobs trace ID", "tenfold jobs trace ID --json"))
def trace(
    job_id: JobId, as_json: terminal.AsJson = False, url: terminal.Url = terminal.URL, api_key: terminal.ApiKey = None
) -> None:
    """What the scheduler did with a job, in order: the answer to "why did it wait?"."""
    with terminal.connect(url, api_key) as client:
        entries = client.trace(job_id)
        job = None if as_json else client.job(job_id)
    if job is None:
        terminal.print_json({"trace": entries})
        return
    console = terminal.people()
    if not entries:
        console.print("nothing yet: the scheduler has not seen it")
        return
    began_ms = float(entries[0].get("at_ms", 0.0))
    rows = [(_after(float(entry.get("at_ms", began_ms)) - began_ms), story.tell(entry)) for entry in entries]
    rows.append(("", f"it is {job.state}: {terminal.images_of(job)}"))
    console.print(terminal.table(f"What happened to {job_id}", ("after", "what"), rows))


def _after(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f} s"


def _show(jobs: list[Job], as_json: bool, value: object) -> None:
    if as_json:
        terminal.print_json(value)
    elif jobs:
        rows = [terminal.job_line(job) for job in jobs]
        terminal.people().print(terminal.table("Jobs", terminal.JOB_COLUMNS, rows, whole=3))
    else:
        terminal.people().print("no jobs")


def _show_one(job: Job, as_json: bool) -> None:
    if as_json:
        terminal.print_json(job)
        return
    ahead = None if job.position is None else terminal.count(job.position, "image")
    error = job.error.get("message") if isinstance(job.error, dict) else job.error
    pairs = [
        ("state", f"{job.state}, open for more" if job.open else job.state),
        ("images", terminal.images_of(job)),
        ("model", job.model),
        ("priority", job.priority),
        ("level", job.level),
        ("ahead", ahead),
        ("eta", terminal.eta_of(job)),
        ("created", job.created_at),
        ("started", job.started_at),
        ("finished", job.finished_at),
        ("error", error),
    ]
    terminal.people().print(terminal.facts(f"Job {job.id}", pairs))
