"""The one-machine system of `tenfold up`: a Redis, every service as a process of its own, the sample run, the end.

Nothing here computes or decides: it starts what a person could start by hand with the same command lines, keeps it
running, and stops it in order: the gateway first, so that nothing new comes in, then the workers, which finish or hand
back what they hold, then the scheduler, then Redis.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from threading import Thread
from typing import Final

import httpx
from rich.console import Console
from rich.text import Text

from tenfold import services
from tenfold.client import DEFAULT_URL, ClientError, Tenfold
from tenfold.contract.errors import TenfoldError
from tenfold.logs import JsonStream
from tenfold.preflight import require_model_files, require_room
from tenfold.redis_server import RedisServer, RedisServerError, require_answer
from tenfold.restarts import Restarts
from tenfold.sample_run import run_samples, sample_pictures, sample_table
from tenfold.settings import Settings
from tenfold.supervisor import Say, Service, Supervisor

_COLOURS: Final = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
_NOT_READY_HINT_EVERY_S: Final = 10.0


class PortTaken(TenfoldError):
    """Something else listens where the gateway should."""


def services_of(settings: Settings) -> list[list[Service]]:
    """Every process of the system, grouped and ordered as they are stopped. A new service is added here."""
    gateway = Service(
        "gateway", services.command_line("gateway", "--host", settings.host, "--port", str(settings.port))
    )
    workers = [
        Service(name, services.command_line("worker", "--name", name, *_threads(settings)))
        for name in (f"worker-{number}" for number in range(1, settings.workers + 1))
    ]
    workers.append(Service("values-worker", services.command_line("values-worker", "--name", "values-worker")))
    return [[gateway], workers, [Service("scheduler", services.command_line("scheduler"))]]


def run(settings: Settings, *, sample: bool = True) -> int:
    """Run the whole system until SIGINT or SIGTERM, and give the exit status. Raises TenfoldError where it cannot
    start or a service does not come up.
    """
    settings.require_safe_address()
    require_model_files(settings)
    if settings.redis_url is None:
        require_room(settings.data_dir)
    settings = replace(settings, port=free_port(settings.host, settings.port))
    return asyncio.run(_System(settings, sample).run())


class LogStream:
    """One stream of all processes' lines, each with the name of who said it, in a colour of its own."""

    def __init__(self, console: Console, names: list[str]) -> None:
        self._console = console
        self._width = max(map(len, names))
        self._colours = {name: _COLOURS[n % len(_COLOURS)] for n, name in enumerate(names)}

    def __call__(self, name: str, line: str) -> None:
        """Print `line` as said by `name`."""
        prefix = Text(f"{name:<{self._width}} │ ", style=self._colours.get(name, "bold"))
        # Text of a process is data: its own colours are kept, markup in it means nothing.
        self._console.print(prefix + Text.from_ansi(line), soft_wrap=True)


class _System:
    def __init__(self, settings: Settings, sample: bool) -> None:
        self._settings = settings
        self._sample = sample
        self._stopping = asyncio.Event()
        self._out = Console(highlight=False)
        phases = services_of(settings)
        self._phases = [[service.name for service in phase] for phase in phases]
        self._services = [service for phase in reversed(phases) for service in phase]
        names = ["up", "redis", *(service.name for service in self._services)]
        people = LogStream(Console(stderr=True, highlight=False), names)
        self._say: Say = JsonStream(sys.stderr) if settings.log_format == "json" else people
        self._settled = False

    async def run(self) -> int:
        async with self._redis() as (url, guard):
            env = {**os.environ, **replace(self._settings, redis_url=url).environment(), "PYTHONUNBUFFERED": "1"}
            supervisor = Supervisor(self._services, env, self._say)
            with _signals(lambda: self._on_signal(supervisor)):
                supervisor.start()
                try:
                    await self._until_over(supervisor, guard)
                finally:
                    self._say("up", "stopping")
                    await supervisor.stop(self._phases, self._settings.grace_s)
        self._say("up", "stopped")
        return 0

    def _on_signal(self, supervisor: Supervisor) -> None:
        if self._stopping.is_set():
            self._say("up", "asked again: killing what still runs")
            supervisor.kill()
        self._stopping.set()

    @asynccontextmanager
    async def _redis(self) -> AsyncIterator[tuple[str, Callable[[], "asyncio.Task[None]"]]]:
        """The Redis to use: its URL, and what starts the watch over it."""
        given = self._settings.redis_url
        if given is not None:
            require_answer(given)
            yield given, lambda: asyncio.create_task(_forever())
            return
        server = RedisServer(self._settings.data_dir)
        with server:
            self._say("redis", f"{server.binary} keeps its data in {server.data_dir}")
            yield server.url, lambda: asyncio.create_task(self._keep_redis(server))

    async def _keep_redis(self, server: RedisServer) -> None:
        restarts, started_at = Restarts(), time.monotonic()
        while True:
            await asyncio.sleep(0.2)
            if server.process is not None and server.process.poll() is None:
                continue
            delay_s = restarts.delay_after(time.monotonic() - started_at)
            self._say("redis", f"ended; starting it again in {delay_s:g} s")
            await asyncio.sleep(delay_s)
            started_at = time.monotonic()
            try:
                # Not in a thread: the leash is held by the thread that starts it.
                server.start()
            except RedisServerError as error:
                self._say("redis", str(error))
                if not self._settled and restarts.is_hopeless(1):
                    raise

    async def _until_over(self, supervisor: Supervisor, guard: Callable[[], "asyncio.Task[None]"]) -> None:
        """Return when a stop was asked for; raise TenfoldError when something does not come up."""
        tasks = {
            asyncio.create_task(self._stopping.wait()),
            asyncio.create_task(supervisor.watch()),
            asyncio.create_task(self._greet(supervisor)),
            guard(),
        }
        done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        for task in done:
            task.result()

    async def _greet(self, supervisor: Supervisor) -> None:
        """Wait until the system is ready, show what it can do, say so, and stay."""
        url = address_of(self._settings)
        await self._until_ready(url)
        self._settled = True
        supervisor.settled()
        if self._sample:
            await in_daemon_thread(lambda: self._show_samples(url))
        self._out.print(f"Tenfold is ready at {url}", soft_wrap=True)
        if self._out.is_terminal:
            self._out.print(what_to_do_next(url), soft_wrap=True)
        await _forever()

    async def _until_ready(self, url: str) -> None:
        began_at = time.monotonic()
        hint_at = began_at + _NOT_READY_HINT_EVERY_S
        async with httpx.AsyncClient(base_url=url, timeout=5.0, trust_env=False) as client:
            while True:
                said = "nobody answers"
                with contextlib.suppress(httpx.HTTPError):
                    reply = await client.get("/readyz")
                    if reply.status_code == 200:
                        return
                    said = _missing_of(reply)
                if time.monotonic() > hint_at:
                    self._say("up", f"starting, {time.monotonic() - began_at:.0f} s so far: {said}")
                    hint_at = time.monotonic() + _NOT_READY_HINT_EVERY_S
                await asyncio.sleep(0.2)

    def _show_samples(self, url: str) -> None:
        pictures = sample_pictures()
        key = os.environ.get("TENFOLD_API_KEY")
        if not pictures:
            self._say("up", "no examples/images here, so no sample run")
            return
        if self._settings.api_keys and not key:
            self._say("up", "keys are on and TENFOLD_API_KEY is not set, so no sample run")
            return
        folder = self._settings.data_dir / "samples"
        try:
            with Tenfold(url, key) as client:
                self._out.print(sample_table(run_samples(client, pictures, folder)))
            self._out.print(f"The annotated pictures lie in {folder}", soft_wrap=True)
        except (ClientError, OSError) as error:
            # The system is up all the same; what went wrong is said, and its log lines stand above.
            if not self._stopping.is_set():
                self._say("up", f"the sample run failed: {error}")


def what_to_do_next(url: str) -> str:
    """For who just started their first system: a browser, a picture of their own, the end."""
    command = "tenfold" if shutil.which("tenfold") else os.path.relpath(sys.argv[0])
    at = "" if url == DEFAULT_URL else f" --url {url}"
    return (
        "Open it in a browser, or find objects in a picture of your own from another shell: "
        f"{command} detect photo.jpg{at}\nCtrl-C stops it."
    )


def _missing_of(reply: httpx.Response) -> str:
    """What `/readyz` says is missing."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return "; ".join(reply.json()["missing"])
    return f"HTTP {reply.status_code}"


def _threads(settings: Settings) -> tuple[str, ...]:
    """Several workers share the cores; a lone one takes them all, as it does by itself."""
    share = max(1, (os.cpu_count() or 1) // settings.workers)
    return () if settings.workers == 1 else ("--threads", str(share))


def free_port(host: str, port: int) -> int:
    """`port`, or a free one for 0. Raises PortTaken."""
    bare = host.strip("[]")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(bare, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # Bound is not enough: another's listening socket may share the address until this one listens too.
            probe.listen(1)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise PortTaken(
            f"{host}:{port} cannot be listened on ({error.strerror or error}); stop what is there, "
            "or give another --port"
        ) from error


def address_of(settings: Settings) -> str:
    """The URL at which a gateway with these settings answers this machine."""
    bare = settings.host.strip("[]")
    local = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(bare, bare)  # noqa: S104 - read, not bound
    return f"http://[{local}]:{settings.port}" if ":" in local else f"http://{local}:{settings.port}"


@contextlib.contextmanager
def _signals(handle: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def in_daemon_thread(work: Callable[[], None]) -> None:
    """Do ``work`` in a thread, whose exception is raised here. Unlike `asyncio.to_thread`, nobody waits for the thread
    at the end of the loop or of the process where this is cancelled.
    """
    done: Future[None] = Future()

    def do() -> None:
        if done.set_running_or_notify_cancel():
            try:
                work()
                done.set_result(None)
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                done.set_exception(error)

    Thread(target=do, daemon=True).start()
    await asyncio.wrap_future(done)


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()
