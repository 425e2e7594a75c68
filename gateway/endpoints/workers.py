"""``/v1/workers``: who works, and on what."""

from fastapi import APIRouter, Response

from gateway.crud.values_system import list_values_workers
from gateway.crud.workers import list_workers
from gateway.dependencies import ThisGateway, Viewer
from gateway.openapi import problem_answers
from gateway.replies import json_reply
from gateway.schemas import WorkersAnswer

router = APIRouter(prefix="/v1/workers", tags=["system"])


@router.get("", summary="Who works on what", response_model=WorkersAnswer, responses=problem_answers(401, 503))
async def workers(gateway: ThisGateway, viewer: Viewer) -> Response:
    """Every living worker with the batches that it holds now, and every living values worker.

    Without a key where keys are on, no host and no process id.
    """
    standing = await gateway.values.standing(gateway.lost_after_ms)
    return json_reply(
        {
            "workers": await list_workers(gateway.store, gateway.lost_after_ms, viewer),
            "values_workers": list_values_workers(standing, gateway.store.keys, viewer),
        }
    )
