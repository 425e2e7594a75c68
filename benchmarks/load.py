"""``python -m benchmarks.load``: the load generator, in a process of its own, so that its cost can be told apart.

It reads an :class:`Order` as JSON from its input and writes a :class:`Log` as JSON to its output.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.pictures import pictures
from benchmarks.wire import Connection, Connections, connect, form_of, request_of

GIVE_UP_S = 60.0
POLL_S = 0.1


class Target(msgspec.Struct, frozen=True):
    """A server and how it takes pictures.

    Attributes:
        form: the field's name where singles come as multipart; "" for a raw body.
        jobs: the path that takes many pictures at once as a job that can be followed, "" where there is none.
    """

    host: str
    port: int
    path: str
    form: str = ""
    jobs: str = ""


class Order(msgspec.Struct, frozen=True):
    """What to send, and for how long.

    Attributes:
        concurrency: closed loop: so many connections that each wait for their answer; 0: none.
        rate: open loop: singles a second that arrive at random (a Poisson process of ``seed``); 0: none.
        lead_s: seconds of singles before the bulk begins.
        bulk: pictures of a bulk; one after another is sent for as long as ``seconds`` last; 0: none.
        bodies: keep what was answered.
    """

    target: Target
    folder: str
    pictures: int
    seconds: float
    concurrency: int = 0
    rate: float = 0.0
    seed: int = 1
    lead_s: float = 0.0
    bulk: int = 0
    bodies: bool = False


class Sent(msgspec.Struct, frozen=True):
    """A request: when it should have begun and when it ended, seconds from the start; its answer."""

    at_s: float
    end_s: float
    status: int
    body: str = ""


class Bulk(msgspec.Struct, frozen=True):
    """A bulk: begin and end in seconds from the start, and how many of its pictures failed."""

    at_s: float
    end_s: float
    failed: int


class Log(msgspec.Struct, frozen=True):
    """What happened, and the processor time that sending it took."""

    singles: list[Sent]
    bulks: list[Bulk]
    wall_s: float
    cpu_s: float


class Sender:
    """Carries out one order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._images = pictures(Path(order.folder), order.pictures)
        self._requests = [self._single(image) for image in self._images]
        self._connections = Connections(order.target.host, order.target.port)
        self._turn = count()
        self._began = 0.0
        self.singles: list[Sent] = []
        self.bulks: list[Bulk] = []

    async def run(self) -> Log:
        """Send, and wait for what was sent."""
        cpu_s = time.process_time()
        self._began = time.perf_counter()
        whole_s = self._order.lead_s + self._order.seconds
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._order.concurrency):
                tasks.create_task(self._closed_loop(whole_s))
            if self._order.rate:
                tasks.create_task(self._open_loop(whole_s))
            if self._order.bulk:
                tasks.create_task(self._bulks(whole_s))
        self._connections.close()
        return Log(self.singles, self.bulks, self._now(), time.process_time() - cpu_s)

    async def _closed_loop(self, seconds: float) -> None:
        while self._now() < seconds:
            if not await self._send(self._now()):
                await asyncio.sleep(0.05)

    async def _open_loop(self, seconds: float) -> None:
        draw = random.Random(self._order.seed)
        async with asyncio.TaskGroup() as tasks:
            at = draw.expovariate(self._order.rate)
            while at < seconds:
                await asyncio.sleep(max(0.0, at - self._now()))
                tasks.create_task(self._send(at))
                at += draw.expovariate(self._order.rate)

    async def _bulks(self, seconds: float) -> None:
        await asyncio.sleep(self._order.lead_s)
        while self._now() < seconds:
            await (self._job() if self._order.target.jobs else self._burst())

    async def _burst(self) -> None:
        """A bulk for a server that takes one picture a request: all of them at once."""
        at = self._now()
        numbers = [next(self._turn) % len(self._requests) for _ in range(self._order.bulk)]
        replies = await asyncio.gather(*(self._exchange(*self._requests[number]) for number in numbers))
        self.bulks.append(Bulk(at, self._now(), sum(status != 200 for status, _ in replies)))

    async def _job(self) -> None:
        """A bulk as one job, followed to its end; it is another client's than the singles."""
        order = self._order
        at = self._now()
        images = [self._images[number % len(self._images)] for number in range(order.bulk)]
        kind, body = form_of("files", images)
        target = order.target
        connection = await connect(target.host, target.port, source="127.0.0.2")
        job = await _job_of(connection, *request_of("POST", target.jobs, {"Content-Type": kind}, body))
        while job["finished_at"] is None:
            await asyncio.sleep(POLL_S)
            job = await _job_of(connection, *request_of("GET", f"{target.jobs}/{job['id']}", {}))
        connection.close()
        self.bulks.append(Bulk(at, self._now(), job["images"]["failed"]))

    async def _send(self, at: float) -> bool:
        status, body = await self._exchange(*self._requests[next(self._turn) % len(self._requests)])
        kept = body.decode(errors="replace") if self._order.bodies else ""
        self.singles.append(Sent(at, self._now(), status, kept))
        return status == 200

    async def _exchange(self, head: bytes, body: bytes) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(GIVE_UP_S), self._connections.lend() as connection:
                reply = await connection.request(head, body)
                return reply.status, reply.body
        except (OSError, TimeoutError) as error:
            return 0, str(error).encode()

    def _single(self, image: bytes) -> tuple[bytes, bytes]:
        target = self._order.target
        kind, body = form_of(target.form, [image]) if target.form else ("image/jpeg", image)
        return request_of("POST", target.path, {"Content-Type": kind}, body)

    def _now(self) -> float:
        return time.perf_counter() - self._began


async def _job_of(connection: Connection, head: bytes, body: bytes) -> dict[str, Any]:
    """The job that a request is answered with. Raises RuntimeError for every other answer, and for none."""
    reply = await connection.request(head, body)
    if reply.status not in {200, 202}:
        raise RuntimeError(f"a job was answered with {reply.status}: {reply.body[:300]!r}")
    job: dict[str, Any] = msgspec.json.decode(reply.body)
    return job


def main() -> None:
    """Read the order, carry it out, write the log."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    log = uvloop.run(Sender(order).run())
    sys.stdout.buffer.write(msgspec.json.encode(log))


if __name__ == "__main__":
    main()
