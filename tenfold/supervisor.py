"""Processes kept alive: started, their lines gathered into one stream, started again when they end, stopped in order.

Each is on a leash (`tenfold.leash`): when the supervisor itself is killed, none is left behind. Each has a session of
its own, so that Ctrl-C at the terminal reaches the supervisor alone, which then stops them in order.
"""

import asyncio
import contextlib
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tenfold.contract.errors import TenfoldError
from tenfold.leash import leashed
from tenfold.restarts import Restarts

LINE_BYTES_MAX: Final = 16 * 1024
LAST_LINES: Final = 12

Say = Callable[[str, str], None]


class ServiceFailed(TenfoldError):
    """A service cannot be kept running; the message has its last lines."""


@dataclass(frozen=True, slots=True)
class Service:
    """A process to keep running. `name` stands before each of its lines."""

    name: str
    argv: tuple[str, ...]


@dataclass(slots=True)
class _Child:
    service: Service
    process: Process | None = None
    reading: asyncio.Task[None] | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))


class Supervisor:
    """Keeps `services` running with the environment `env`; each line of theirs goes to `say(name, line)`.

    Until `settled()` was called, a service that fails again and again (or says that it was used wrongly) raises
    ServiceFailed from `watch()`; from then on every service is started again however often it ends.
    """

    def __init__(self, services: Sequence[Service], env: Mapping[str, str], say: Say) -> None:
        self._children = {service.name: _Child(service) for service in services}
        self._env = dict(env)
        self._say = say
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._settled = False

    def start(self) -> None:
        """Start all services; call it inside a running event loop."""
        for name, child in self._children.items():
            self._tasks[name] = asyncio.create_task(self._keep(child), name=name)

    def settled(self) -> None:
        """The system has been ready once: from here on, nothing that ends is given up."""
        self._settled = True

    def pid_of(self, name: str) -> int | None:
        """The process id of a service, or None while it is not running."""
        process = self._children[name].process
        return process.pid if process is not None and process.returncode is None else None

    async def watch(self) -> None:
        """Wait until a service cannot be kept running. Raises ServiceFailed."""
        done, _ = await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def stop(self, phases: Sequence[Sequence[str]], grace_s: float) -> None:
        """Stop the services, one phase of names after the other, by SIGTERM; what is left of `grace_s` is shared by
        the phases still to come, and who overstays is killed.
        """
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        deadline = time.monotonic() + grace_s
        for done, names in enumerate(phases):
            share_s = max(deadline - time.monotonic(), 0.0) / (len(phases) - done)
            await asyncio.gather(*(self._end(self._children[name], share_s) for name in names))

    def kill(self) -> None:
        """Kill everything that runs, at once."""
        for child in self._children.values():
            if child.process is not None and child.process.returncode is None:
                child.process.kill()

    async def _keep(self, child: _Child) -> None:
        restarts = Restarts()
        while True:
            started_at = time.monotonic()
            status = await self._run_once(child)
            delay_s = restarts.delay_after(time.monotonic() - started_at)
            how = f"was killed by {_signal_name(-status)}" if status < 0 else f"ended with status {status}"
            if not self._settled and restarts.is_hopeless(status):
                said = "".join(f"\n  {line}" for line in child.last_lines)
                raise ServiceFailed(f"{child.service.name} {how} and does not come up; its last lines:{said}")
            self._say("up", f"{child.service.name} {how}; starting it again in {delay_s:g} s")
            await asyncio.sleep(delay_s)

    async def _run_once(self, child: _Child) -> int:
        child.process = await asyncio.create_subprocess_exec(
            *leashed(child.service.argv),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env=self._env,
            start_new_session=True,
        )
        assert child.process.stdout is not None
        # A task of its own: it goes on reading to the end when a stop cancels this one.
        child.reading = asyncio.create_task(self._pass_on(child, child.process.stdout))
        status = await child.process.wait()
        await _read_out(child.reading)
        return status

    async def _pass_on(self, child: _Child, output: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await output.read(LINE_BYTES_MAX):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LINE_BYTES_MAX:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._pass_on_line(child, line)
        if rest:
            self._pass_on_line(child, rest)

    def _pass_on_line(self, child: _Child, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        child.last_lines.append(text)
        self._say(child.service.name, text)

    async def _end(self, child: _Child, grace_s: float) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            self._say("up", f"{child.service.name} did not stop within {grace_s:.1f} s and is killed")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if child.reading is not None:
            await _read_out(child.reading)


async def _read_out(reading: "asyncio.Task[None]") -> None:
    # Bounded: a grandchild that keeps the pipe open must hold up nothing.
    await asyncio.wait({reading}, timeout=1.0)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
