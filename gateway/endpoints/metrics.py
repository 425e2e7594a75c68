"""``/metrics``: what Prometheus reads."""

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from gateway.crud.gauges import Standing, system_registry
from gateway.crud.living import living_workers
from gateway.crud.queues import show_totals
from gateway.crud.status import read_status
from gateway.dependencies import ThisGateway, caller_of
from gateway.openapi import problem_answers

# Depths and rates tell a stranger how the house does: where keys are on, this asks for one too.
router = APIRouter(tags=["health"], dependencies=[Depends(caller_of)])


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problem_answers(401)},
)
async def metrics(gateway: ThisGateway) -> Response:
    """This process's requests, and the system's queues and workers; without Redis, the former alone."""
    try:
        standing = Standing(
            await read_status(gateway.store),
            await show_totals(gateway.store),
            await living_workers(gateway.store, gateway.lost_after_ms),
            await gateway.store.open_jobs(),
            await gateway.values.standing(gateway.lost_after_ms),
        )
    except (RedisError, OSError):
        standing = None
    system = system_registry(standing)
    return Response(generate_latest(gateway.metrics.registry) + generate_latest(system), media_type=CONTENT_TYPE_LATEST)
