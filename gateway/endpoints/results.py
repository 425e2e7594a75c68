"""``/v1/jobs/{id}/results``: what became of a job's images, as people need it."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from gateway.crud.cursors import read_index
from gateway.crud.results import PAGE, PAGE_MAX, ImageBody, every, page
from gateway.dependencies import Caller, JobDesk, Parts
from gateway.replies import json_reply
from gateway.schemas import ResultsAnswer, problem_answers

router = APIRouter(prefix="/jobs", tags=["results"])

Format = Literal["json", "ndjson"]


@router.get(
    "/{job_id}/results",
    summary="A job's results so far, in index order",
    response_model=ResultsAnswer,
    responses=problem_answers(401, 404, 410, 422, 503),
)
async def results(
    job_id: str,
    parts: Parts,
    caller: Caller,
    jobs: JobDesk,
    format: Annotated[Format, Query(description="`ndjson` gives all at once, one image a line.")] = "json",  # noqa: A002
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Response:
    """`json` comes in pages; the other formats come whole."""
    view = await jobs.find(job_id, caller)
    if format == "json":
        return json_reply(await page(parts.store, view, read_index(cursor), limit))
    return StreamingResponse(_lines(every(parts.store, view)), media_type="application/x-ndjson")


async def _lines(images: AsyncIterator[ImageBody]) -> AsyncIterator[bytes]:
    encoder = msgspec.json.Encoder()
    async for image in images:
        yield encoder.encode(image) + b"\n"
