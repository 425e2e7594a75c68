"""``/v1/models``: what can be asked for, and loading a model anew."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from gateway.crud.models import list_models
from gateway.crud.reloads import request_reload
from gateway.dependencies import ThisGateway, Viewer, admin_of
from gateway.openapi import problem_answers
from gateway.replies import json_reply
from gateway.schemas import ModelsAnswer, ReloadAnswer

router = APIRouter(prefix="/v1/models", tags=["system"])


@router.get("", summary="What can be asked for", response_model=ModelsAnswer, responses=problem_answers(401, 503))
async def models(gateway: ThisGateway, viewer: Viewer) -> Response:
    """Every model that a worker serves or served, with the input sizes that it takes, the versions that workers hold,
    and what came of its last reload.

    Without a key where keys are on, no labels, no description and nothing of reloads.
    """
    return json_reply({"models": await list_models(gateway.store, gateway.catalog, viewer, gateway.lost_after_ms)})


@router.post(
    "/{name:path}/reload",
    summary="Load a model anew",
    status_code=202,
    dependencies=[Depends(admin_of)],
    response_model=ReloadAnswer,
    responses=problem_answers(401, 404, 503),
)
async def reload(
    name: Annotated[str, Path(description="The `name` of the model.", examples=["best"])], gateway: ThisGateway
) -> Response:
    """Every worker that holds the model loads what its file holds now, while the old version serves.

    The answer comes at once; `/v1/models` tells what came of it. No request fails or waits for it: batches that run end
    with the version that they began with, later ones have the new one, and each result names its own in
    `batch.version`. Where the file cannot be loaded, or lacks an input size that is served, the old version serves on.
    """
    return json_reply(await request_reload(gateway.store, gateway.catalog, name, gateway.lost_after_ms), 202)
