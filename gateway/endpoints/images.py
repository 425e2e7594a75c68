"""``/v1/jobs/{id}/images/{index}``: an image with its boxes drawn."""

from fastapi import APIRouter, Response

from gateway.dependencies import Caller, JobDesk, Parts
from gateway.schemas import problem_answers

router = APIRouter(prefix="/v1/jobs", tags=["results"])


@router.get(
    "/{job_id}/images/{index}",
    summary="An image with its boxes drawn",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}, "description": "PNG"},
        **problem_answers(401, 404, 409, 410, 422, 503),
    },
)
async def drawn(job_id: str, index: int, parts: Parts, caller: Caller, jobs: JobDesk) -> Response:
    """PNG, while the image is kept (`TENFOLD_KEEP_IMAGES_S` after its result); then 410."""
    picture = await parts.drawing.draw(await jobs.find(job_id, caller), index)
    return Response(picture, media_type="image/png", headers={"Cache-Control": "private, max-age=60"})
