"""``/v1/queues``: depth, age and rates per lane and level."""

from fastapi import APIRouter, Response

from gateway.crud.system import show_queues
from gateway.dependencies import Caller, Parts
from gateway.replies import json_reply
from gateway.schemas import QueuesAnswer, problem_answers

router = APIRouter(prefix="/v1/queues", tags=["system"])


@router.get("", summary="What waits where", response_model=QueuesAnswer, responses=problem_answers(401, 503))
async def queues(parts: Parts, caller: Caller) -> Response:
    """As the scheduler last told, with the live batches and the last minutes; `at` is null where none leads."""
    return json_reply(await show_queues(parts.store, caller))
