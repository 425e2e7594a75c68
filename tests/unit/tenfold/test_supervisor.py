import asyncio
import os
import sys
import time
from collections.abc import Callable

import pytest

from tenfold.supervisor import Service, ServiceFailed, Supervisor

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(99)"
)
PATIENT = "import time; print('up', flush=True); time.sleep(99)"


def python(name: str, code: str) -> Service:
    return Service(name, (sys.executable, "-c", code))


class Stream:
    """The lines that a supervisor says, with a way to wait for one."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self._came = asyncio.Event()

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))
        self._came.set()

    async def until(self, wanted: Callable[[list[tuple[str, str]]], bool]) -> None:
        async with asyncio.timeout(20):
            while not wanted(self.lines):
                self._came.clear()
                await self._came.wait()


def test_lines_carry_the_name_of_who_said_them() -> None:
    """Each line of each service arrives whole, with its name."""

    async def scenario() -> None:
        say = Stream()
        supervisor = Supervisor([python("a", PATIENT), python("b", PATIENT)], os.environ, say)
        supervisor.start()
        await say.until(lambda lines: {("a", "up"), ("b", "up")} <= set(lines))
        await supervisor.stop([["a"], ["b"]], 5)
        assert supervisor.pid_of("a") is None

    asyncio.run(scenario())


def test_killed_service_is_started_again() -> None:
    """A service that is killed comes back as a new process."""

    async def scenario() -> None:
        say = Stream()
        supervisor = Supervisor([python("a", PATIENT)], os.environ, say)
        supervisor.start()
        await say.until(lambda lines: ("a", "up") in lines)
        first = supervisor.pid_of("a")
        assert first is not None
        os.kill(first, 9)
        await say.until(lambda lines: lines.count(("a", "up")) == 2)
        assert supervisor.pid_of("a") not in (None, first)
        assert any("SIGKILL" in line for name, line in say.lines if name == "up")
        await supervisor.stop([["a"]], 5)

    asyncio.run(scenario())


def test_wrongly_used_service_stops_everything_with_its_last_lines() -> None:
    """A service that ends with status 2 at the start is not tried again, and what it said is in the error."""

    async def scenario() -> None:
        supervisor = Supervisor([python("a", "print('no such flag'); raise SystemExit(2)")], os.environ, Stream())
        supervisor.start()
        with pytest.raises(ServiceFailed, match=r"a ended with status 2(.|\n)*no such flag"):
            await supervisor.watch()
        await supervisor.stop([["a"]], 5)

    asyncio.run(scenario())


def test_deaf_service_is_killed_when_its_grace_is_over() -> None:
    """A service that ignores SIGTERM ends within the grace all the same."""

    async def scenario() -> None:
        say = Stream()
        supervisor = Supervisor([python("a", STUBBORN)], os.environ, say)
        supervisor.start()
        await say.until(lambda lines: ("a", "deaf") in lines)
        began = time.monotonic()
        await supervisor.stop([["a"]], 0.3)
        assert time.monotonic() - began < 5
        assert supervisor.pid_of("a") is None

    asyncio.run(scenario())


def test_overlong_line_is_passed_on_in_parts() -> None:
    """A line without end is passed on in bounded parts and nothing of it is lost."""

    async def scenario() -> None:
        say = Stream()
        code = "import sys; sys.stdout.write('x' * 100_000); sys.stdout.flush(); import time; time.sleep(99)"
        supervisor = Supervisor([python("a", code)], os.environ, say)
        supervisor.start()
        await say.until(lambda lines: sum(len(line) for _, line in lines) > 80_000)
        await supervisor.stop([["a"]], 5)
        assert sum(len(line) for name, line in say.lines if name == "a") == 100_000

    asyncio.run(scenario())
