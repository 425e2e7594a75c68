"""Gathers the routers, no more."""

from fastapi import APIRouter, Depends

from gateway.dependencies import caller_of, viewer_of
from gateway.endpoints import (
    dashboard,
    detect,
    events,
    health,
    images,
    jobs,
    metrics,
    models,
    pages,
    queues,
    results,
    values,
    workers,
)

# Every other route under /v1 asks who calls, also one that does not use the answer.
v1 = APIRouter(dependencies=[Depends(caller_of)])
v1.include_router(detect.router)
v1.include_router(jobs.router)
v1.include_router(results.router)
v1.include_router(events.router)
v1.include_router(images.router)
v1.include_router(values.router)

# The system's figures, which strangers may see where TENFOLD_PUBLIC_STATUS says so.
figures = APIRouter(dependencies=[Depends(viewer_of)])
figures.include_router(queues.router)
figures.include_router(workers.router)
figures.include_router(models.router)

router = APIRouter()
router.include_router(v1)
router.include_router(figures)
router.include_router(health.router)
router.include_router(metrics.router)
router.include_router(pages.router)
router.include_router(dashboard.router)
