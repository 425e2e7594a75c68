"""Plain FastAPI: the model in the request's own coroutine, one picture at a time.

That blocks the loop, and is still faster than a thread: torch computes best in the process's main one.
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, Request

from benchmarks.engine import Engine

app = FastAPI()
engine = Engine()


@app.post("/detect")
async def detect(request: Request) -> dict[str, Any]:
    """One picture."""
    return {"detections": engine.detect([await request.body()])[0]}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
