"""One image per RQ job, as tutorials have it: FastAPI enqueues, a warm SimpleWorker runs, the request waits.

The worker does not fork, which makes this four times as fast as RQ's default would be.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio.to_thread
import uvicorn
from fastapi import FastAPI, Request
from redis import Redis
from rq import Queue, SimpleWorker
from rq.results import Result

from benchmarks.peers.rq_job import detect, warm
from tenfold.redis_server import RedisServer


def serve(port: int, url: str) -> None:
    """Answer HTTP in this process."""
    app = FastAPI()
    connection = Redis.from_url(url, max_connections=1000, socket_timeout=120)
    queue = Queue("detect", connection=connection)

    def run(body: bytes) -> Any:
        job = queue.enqueue(detect, body, result_ttl=60)
        result = job.latest_result(timeout=100)
        if result is None or result.type is not Result.Type.SUCCESSFUL:
            raise RuntimeError("the job failed")
        return result.return_value

    @app.post("/detect")
    async def answer(request: Request) -> dict[str, Any]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 300
        return {"detections": await anyio.to_thread.run_sync(run, await request.body())}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


def work(url: str) -> None:
    """Run jobs with a warm model, in this process."""
    warm()
    connection = Redis.from_url(url)
    SimpleWorker([Queue("detect", connection=connection)], connection=connection).work(logging_level="WARNING")


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work(sys.argv[2])
    else:
        with tempfile.TemporaryDirectory(prefix="bench-rq-") as folder, RedisServer(Path(folder)) as server:
            worker = subprocess.Popen([sys.executable, "-m", "benchmarks.peers.rq_server", "work", server.url])
            try:
                serve(int(sys.argv[1]), server.url)
            finally:
                worker.kill()
                worker.wait()
