"""``/v1/jobs/{id}/results``: what became of a job's images, as people need it."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from gateway.crud.cursors import read_index
from gateway.crud.formats import write_coco, write_csv, write_ndjson, write_yolo
from gateway.crud.results import PAGE, PAGE_MAX, ImageBody, every, page
from gateway.dependencies import Caller, Gateway, JobDesk, ThisGateway
from gateway.openapi import problem_answers
from gateway.replies import json_reply
from gateway.schemas import CocoAnswer, ResultsAnswer

router = APIRouter(prefix="/v1/jobs", tags=["results"])

Format = Literal["json", "ndjson", "coco", "yolo", "csv"]

_JSON = "application/json"
_MEDIA_TYPES = {
    "ndjson": "application/x-ndjson",
    "coco": _JSON,
    "yolo": "application/zip",
    "csv": "text/csv; charset=utf-8",
}
_SUFFIXES = {"coco": "coco.json", "yolo": "yolo.zip", "csv": "csv"}


@router.get(
    "/{job_id}/results",
    summary="A job's results so far, in index order",
    response_model=ResultsAnswer | CocoAnswer,
    responses={
        200: {"content": {kind.partition(";")[0]: {} for kind in _MEDIA_TYPES.values() if kind != _JSON}},
        **problem_answers(401, 404, 410, 422, 503),
    },
)
async def results(
    job_id: str,
    gateway: ThisGateway,
    caller: Caller,
    jobs: JobDesk,
    format: Annotated[Format, Query(description="All but `json` come whole, whatever `limit` says.")] = "json",  # noqa: A002
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Response:
    """`json` comes in pages; `ndjson` is one image a line, `coco` COCO's JSON, `yolo` a zip of labels, `csv` rows."""
    view = await jobs.find(job_id, caller)
    if format == "json":
        return json_reply(await page(gateway.store, view, read_index(cursor), limit))
    images = await every(gateway.store, view)
    labels = await _labels(gateway, view.submission.model)
    headers = (
        {"Content-Disposition": f'attachment; filename="{job_id}.{_SUFFIXES[format]}"'} if format in _SUFFIXES else {}
    )
    return StreamingResponse(_write(format, images, labels), media_type=_MEDIA_TYPES[format], headers=headers)


async def _labels(gateway: Gateway, model: str) -> list[str]:
    known = (await gateway.catalog.models()).get(model)
    return known.labels if known else []


def _write(format: Format, images: AsyncIterator[ImageBody], labels: list[str]) -> AsyncIterator[bytes]:  # noqa: A002
    match format:
        case "coco":
            return write_coco(images, labels)
        case "yolo":
            return write_yolo(images, labels)
        case "csv":
            return write_csv(images)
        case _:
            return write_ndjson(images)
