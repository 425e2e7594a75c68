"""``/v1/jobs``: batch jobs, submitted, listed, looked at, closed, canceled."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gateway.dependencies import Caller, JobDesk, ThisGateway
from gateway.openapi import SUBMIT, problem_answers
from gateway.replies import json_reply
from gateway.requests import sent_by
from gateway.schemas import JobAnswer, JobsAnswer, TraceAnswer
from tenfold.contract.states import JobState

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.post(
    "",
    summary="Submit a batch job",
    openapi_extra=SUBMIT,
    status_code=202,
    response_model=JobAnswer,
    responses=problem_answers(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
)
async def submit(request: Request, gateway: ThisGateway, caller: Caller, jobs: JobDesk) -> Response:
    """Send `files` as a form, or one `.zip`, `.tar` or `.tar.gz`; the answer is 202 with the job and its `Location`.

    Of an archive every file is an image but those that are hidden. A bad image is that image's own error in the
    results. With `open=1` the job, which may then begin without an image, takes more (`POST /v1/jobs/{id}/images`)
    until it is closed (`POST /v1/jobs/{id}/close`); what it has is computed meanwhile.
    """
    arrival = await gateway.intake.receive(sent_by(request, caller, archives=True, may_open=True))
    request.scope["tenfold.job"] = arrival.job_id
    quota = None if arrival.twin else await gateway.intake.submit(arrival)
    job = await jobs.promised(arrival.job_id, caller)
    if arrival.twin:
        gateway.tracing.belongs_to(job.submission)
    body = await jobs.body(job)
    return json_reply(body, 202, {"Location": body.links.self_, **(quota.headers if quota else {})})


@router.get("", summary="List jobs, newest first", response_model=JobsAnswer, responses=problem_answers(401, 422, 503))
async def listing(
    caller: Caller,
    jobs: JobDesk,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Response:
    """Jobs that the caller may see. With `state`, a page may be short or empty although `next_cursor` leads on."""
    return json_reply(await jobs.page(caller, state, limit, cursor))


@router.get(
    "/{job_id}", summary="A job as it stands", response_model=JobAnswer, responses=problem_answers(401, 404, 503)
)
async def show(job_id: str, caller: Caller, jobs: JobDesk) -> Response:
    """State, progress, place in the queue and expected end of one job."""
    return json_reply(await jobs.body(await jobs.find(job_id, caller)))


@router.delete("/{job_id}", summary="Cancel a job", response_model=JobAnswer, responses=problem_answers(401, 404, 503))
async def cancel(job_id: str, caller: Caller, jobs: JobDesk) -> Response:
    """What has not started is dropped, what is done is kept. A job that is final stays as it is."""
    return json_reply(await jobs.body(await jobs.cancel(job_id, caller)))


@router.post(
    "/{job_id}/close", summary="Close an open job", response_model=JobAnswer, responses=problem_answers(401, 404, 503)
)
async def close(job_id: str, caller: Caller, jobs: JobDesk) -> Response:
    """No more images follow: the job ends with its last one. A job that is closed already stays as it is."""
    return json_reply(await jobs.body(await jobs.close(job_id, caller)))


@router.get(
    "/{job_id}/trace",
    summary="What the scheduler did with a job",
    response_model=TraceAnswer,
    responses=problem_answers(401, 404, 503),
)
async def trace(job_id: str, gateway: ThisGateway, caller: Caller, jobs: JobDesk) -> Response:
    """Entered, extended, batched with whom, sank, aged, moved, preempted, retried, held down: in order."""
    await jobs.find(job_id, caller)
    return json_reply({"trace": await gateway.store.trace(job_id)})
