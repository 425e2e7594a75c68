"""``/v1/jobs/{id}/events``: a job as it goes, as server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from gateway.crud.events import Seen, follow, read_seen, write_event
from gateway.dependencies import Caller, Gateway, JobDesk, ThisGateway
from gateway.openapi import problem_answers

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

RETRY_MS = 1000


@router.get(
    "/{job_id}/events",
    summary="A job as it goes (server-sent events)",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Events"},
        204: {"description": "The client has seen everything"},
        **problem_answers(401, 404, 503),
    },
)
async def events(
    job_id: str,
    gateway: ThisGateway,
    caller: Caller,
    jobs: JobDesk,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """`state` (the job), `progress` (its counts and place) and `result` (an image's result) until the job is final.

    Each has an `id`; a stream that broke goes on after `Last-Event-ID`.
    """
    await jobs.find(job_id, caller)
    seen = read_seen(last_event_id)
    if seen.end:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(gateway, jobs, job_id, seen), media_type="text/event-stream", headers=headers)


async def _stream(gateway: Gateway, jobs: JobDesk, job_id: str, seen: Seen) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % RETRY_MS
    with gateway.changes.watch(job_id) as watcher:
        async for event in follow(jobs, gateway.changes, watcher, job_id, seen):
            yield write_event(event)
