"""``POST /v1/detect``: images in, boxes out, in one request."""

import asyncio
import contextlib

from fastapi import APIRouter, Request, Response
from redis.exceptions import RedisError

from gateway.crud.changes import Watcher
from gateway.crud.detect import sole_error, until_final
from gateway.crud.intake import Arrival
from gateway.crud.jobs import JobBody
from gateway.crud.prefer import read_prefer
from gateway.crud.results import ImageBody, rest_of
from gateway.dependencies import Caller, Gateway, JobDesk, ThisGateway
from gateway.openapi import DETECT, problem_answers
from gateway.replies import json_reply
from gateway.requests import gone_away, sent_by
from gateway.schemas import DetectAnswer, JobAnswer
from tenfold.contract.states import FINAL_JOB_STATES, JobState
from tenfold.store.views import JobView

router = APIRouter(tags=["detect"])
PATH = "/v1/detect"


class Detected(JobBody, frozen=True):
    """A job's fields and its results."""

    results: list[ImageBody]


@router.post(
    PATH,
    summary="Find objects in one or several images",
    openapi_extra=DETECT,
    response_model=DetectAnswer,
    responses={
        202: {"model": JobAnswer, "description": "Not done in time: follow `Location`"},
        **problem_answers(400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503, 504),
    },
)
async def detect(request: Request, gateway: ThisGateway, caller: Caller, jobs: JobDesk) -> Response:
    """Send `files` as a form, or one image as the raw body. The answer waits for the results.

    With `Prefer: respond-async`, or once `Prefer: wait=N` seconds have passed, the answer is 202 with the job and its
    `Location`. The problem with a single image becomes the status of the answer; with several images the answer is 200
    and each image has its own `error`. A client that goes away cancels what it waited for, unless it sent an
    `Idempotency-Key`.
    """
    preference = read_prefer(request.headers.getlist("prefer"), gateway.settings.wait_s)
    arrival = await gateway.intake.receive(sent_by(request, caller))
    job_id = arrival.job_id
    request.scope["tenfold.job"] = job_id
    if arrival.sole_refusal is not None:
        await gateway.intake.abandon(arrival.upload)
        raise arrival.sole_refusal
    with gateway.changes.watch(job_id) as watcher:
        quota = None if arrival.twin else await gateway.intake.submit(arrival)
        view, first = await _wait(request, gateway, arrival, watcher, preference.wait_s)
    if arrival.twin:
        gateway.tracing.belongs_to(view.submission)
    headers = {"Preference-Applied": preference.applied} if preference.applied else {}
    headers |= quota.headers if quota else {}
    if view.state not in FINAL_JOB_STATES:
        body = await jobs.body(await jobs.promised(job_id, caller))
        return json_reply(body, 202, {**headers, "Location": body.links.self_})
    body = await jobs.body(view)
    error = sole_error(view, first) if view.total == 1 else None
    if error is not None:
        raise error
    results = await rest_of(gateway.store, job_id, arrival.metas, first)
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    return json_reply(Detected(**fields, results=results), 200, headers)


async def _wait(
    request: Request, gateway: Gateway, arrival: Arrival, watcher: Watcher, wait_s: float
) -> tuple[JobView, list[ImageBody]]:
    if wait_s <= 0 or "idempotency-key" in request.headers:
        return await until_final(gateway.store, gateway.changes, watcher, arrival, wait_s)
    leaving = asyncio.ensure_future(_cancel_when_gone(request, gateway, arrival.job_id))
    try:
        # A job that is canceled is final, and wakes the watcher as any end does.
        return await until_final(gateway.store, gateway.changes, watcher, arrival, wait_s)
    finally:
        leaving.cancel()


async def _cancel_when_gone(request: Request, gateway: Gateway, job_id: str) -> None:
    await gone_away(request)
    with contextlib.suppress(RedisError, OSError):  # it runs for nobody then
        await gateway.store.end_job(job_id, JobState.CANCELED)
