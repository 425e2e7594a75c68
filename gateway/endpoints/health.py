"""``/healthz`` and ``/readyz``: whether the process lives, and whether the system can serve."""

from fastapi import APIRouter, Response
from redis.exceptions import RedisError

from gateway.crud.readiness import check_ready, store_is_down
from gateway.dependencies import ThisGateway
from gateway.openapi import problem_answers
from gateway.replies import json_reply

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Whether this process lives")
async def healthz() -> Response:
    """Always 200 while the process answers."""
    return json_reply({"status": "ok"})


@router.get("/readyz", summary="Whether the system can serve", responses=problem_answers(503))
async def readyz(gateway: ThisGateway) -> Response:
    """200 where Redis answers, a scheduler leads and a living worker has the default model; else 503 with `missing`."""
    try:
        await check_ready(gateway.store, gateway.catalog, gateway.lost_after_ms)
    except (RedisError, OSError):
        raise store_is_down() from None
    return json_reply({"status": "ready"})
