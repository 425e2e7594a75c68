"""``/v1/queues``: depth, age and rates per lane and level."""

from fastapi import APIRouter, Response

from gateway.crud.queues import show_queues
from gateway.dependencies import ThisGateway, Viewer
from gateway.openapi import problem_answers
from gateway.replies import json_reply
from gateway.schemas import QueuesAnswer

router = APIRouter(prefix="/v1/queues", tags=["system"])


@router.get("", summary="What waits where", response_model=QueuesAnswer, responses=problem_answers(401, 503))
async def queues(gateway: ThisGateway, viewer: Viewer) -> Response:
    """As the scheduler last told, with the live batches and the last minutes; `at` is null where none leads.

    `values` is the queue of the value-generation jobs as it is now.

    Without a key where keys are on (`view` is `figures`), batches do not tell whose they are.
    """
    return json_reply(await show_queues(gateway.store, await gateway.values.standing(gateway.lost_after_ms), viewer))
