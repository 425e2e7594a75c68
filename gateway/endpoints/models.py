"""``/v1/models``: what can be asked for."""

from fastapi import APIRouter, Response

from gateway.crud.system import list_models
from gateway.dependencies import Parts
from gateway.replies import json_reply
from gateway.schemas import ModelsAnswer, problem_answers

router = APIRouter(prefix="/v1/models", tags=["system"])


@router.get("", summary="What can be asked for", response_model=ModelsAnswer, responses=problem_answers(401, 503))
async def models(parts: Parts) -> Response:
    """Every model that a worker serves or served, with the input sizes that it takes."""
    return json_reply({"models": await list_models(parts.store, parts.catalog, parts.lost_after_ms)})
