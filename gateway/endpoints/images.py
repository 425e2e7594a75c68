"""``/v1/jobs/{id}/images``: more images for an open job; and those there are with their boxes drawn, one or all."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from gateway.crud.jobs import JobBody
from gateway.crud.parts import Added
from gateway.dependencies import Caller, JobDesk, PartDesk, ThisGateway
from gateway.openapi import ADD, problem_answers
from gateway.replies import json_reply
from gateway.requests import sent_by
from gateway.schemas import AddedToAnswer

router = APIRouter(prefix="/v1/jobs", tags=["results"])


class AddedTo(JobBody, frozen=True):
    """A job's fields, and where the images that were just added stand in it."""

    added: Added


@router.post(
    "/{job_id}/images",
    summary="Add images to an open job",
    openapi_extra=ADD,
    status_code=202,
    response_model=AddedToAnswer,
    responses=problem_answers(400, 401, 404, 408, 409, 413, 415, 422, 429, 503),
)
async def add(request: Request, job_id: str, caller: Caller, jobs: JobDesk, parts: PartDesk) -> Response:
    """Send `files` or an archive, as for a new job; `added` tells which indexes they were given.

    Parts may come at the same time, and again under the same `Idempotency-Key`. A job that was closed, or never opened
    with `open=1`, takes none: 409 `job_closed`.
    """
    request.scope["tenfold.job"] = job_id
    part = await parts.receive(sent_by(request, caller, archives=True), await jobs.find(job_id, caller))
    added, quota = await parts.add(part)
    end = added.first + added.count
    body = await jobs.body(await jobs.promised(job_id, caller, lambda job: job.total >= end))
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    headers = {"Location": body.links.self_, **(quota.headers if quota else {})}
    return json_reply(AddedTo(**fields, added=added), 202, headers)


@router.get(
    "/{job_id}/images",
    summary="All images with their boxes drawn",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}, "description": "Zip"},
        **problem_answers(401, 404, 409, 410, 503),
    },
)
async def gallery(job_id: str, gateway: ThisGateway, caller: Caller, jobs: JobDesk) -> Response:
    """A zip of what can be drawn now: `INDEX-NAME.png` for each image, drawn while it is sent.

    `missing.txt` in it, where there is one, has a line for each image that is not: its index, name, and why, between
    tabs. 410 once no image is kept any longer (`TENFOLD_KEEP_IMAGES_S` after its result).
    """
    pieces = await gateway.gallery.open(await jobs.find(job_id, caller))
    headers = {"Content-Disposition": f'attachment; filename="{job_id}.images.zip"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


@router.get(
    "/{job_id}/images/{index}",
    summary="An image with its boxes drawn",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}, "description": "PNG"},
        **problem_answers(401, 404, 409, 410, 422, 503),
    },
)
async def drawn(job_id: str, index: int, gateway: ThisGateway, caller: Caller, jobs: JobDesk) -> Response:
    """PNG, while the image is kept (`TENFOLD_KEEP_IMAGES_S` after its result); then 410."""
    picture = await gateway.drawing.draw(await jobs.find(job_id, caller), index)
    return Response(picture, media_type="image/png", headers={"Cache-Control": "private, max-age=60"})
