"""A client of Tenfold as lean as a load generator needs: kept-alive connections, JSON answers, one API key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import msgspec

from benchmarks.wire import Connections, Reply, form_of, request_of

GIVE_UP_S = 300.0
WAIT_S = 240
POLL_S = 0.1
NEAR_POLL_S = 0.02
"""How often a job is looked at near its end, so that the next one follows at once."""

FINAL = frozenset({"succeeded", "failed", "canceled", "expired"})


class CallFailed(Exception):
    """A request was not answered as asked; the message has the status and what was said."""


class Caller:
    """One client. Use it as an asynchronous context manager: its connections are closed at the end."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._headers = {"X-API-Key": key}
        self._connections = Connections(host, port)

    async def __aenter__(self) -> Self:
        """Nothing is connected before it is needed."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Hang up."""
        self._connections.close()

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> dict[str, Any]:
        """The decoded answer of one request. Raises CallFailed unless its status is 2xx."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            async with asyncio.timeout(GIVE_UP_S), self._connections.lend() as connection:
                reply = await connection.request(*request_of(method, path, {**self._headers, **named}, body))
        except (OSError, TimeoutError) as error:
            raise CallFailed(f"{method} {path}: {error!r}") from error
        return _decoded(method, path, reply)

    async def detect(self, picture: bytes) -> dict[str, Any]:
        """A single image through the upload API, waited for: the job's fields with its ``results``."""
        answer = await self.ask("POST", "/v1/detect", picture, Content_Type="image/jpeg", Prefer=f"wait={WAIT_S}")
        if "results" not in answer:
            raise CallFailed(f"job {answer['id']} was not done within {WAIT_S} s")
        return answer

    async def submit(self, pictures: list[bytes], priority: str = "normal") -> dict[str, Any]:
        """A job of ``pictures``, as it was accepted."""
        kind, body = form_of("files", pictures)
        return await self.ask("POST", f"/v1/jobs?priority={priority}", body, Content_Type=kind)

    async def job(self, job_id: str) -> dict[str, Any]:
        """The job as it stands."""
        return await self.ask("GET", f"/v1/jobs/{job_id}")

    async def cancel(self, job_id: str) -> None:
        """Cancel it."""
        await self.ask("DELETE", f"/v1/jobs/{job_id}")

    async def results(self, job_id: str) -> list[dict[str, Any]]:
        """All its results so far."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.ask("GET", f"/v1/jobs/{job_id}/results{cursor}")
            found += page["results"]
            if page["next_cursor"] is None:
                return found
            cursor = f"?cursor={page['next_cursor']}"

    async def watched(self, job_id: str) -> AsyncIterator[dict[str, Any]]:
        """The job again and again until it is final, oftener when it is almost done."""
        while True:
            job = await self.job(job_id)
            yield job
            if job["state"] in FINAL:
                return
            near = job["images"]["done"] >= 0.9 * job["images"]["total"]
            await asyncio.sleep(NEAR_POLL_S if near else POLL_S)

    async def until_final(self, job_id: str) -> dict[str, Any]:
        """The job once it is final."""
        job: dict[str, Any] = {}
        async for job in self.watched(job_id):  # noqa: B007 - only the last counts
            pass
        return job


def _decoded(method: str, path: str, reply: Reply) -> dict[str, Any]:
    if not 200 <= reply.status < 300:
        raise CallFailed(f"{method} {path}: {reply.status} {reply.body[:500].decode(errors='replace')}")
    answer: dict[str, Any] = msgspec.json.decode(reply.body)
    return answer
