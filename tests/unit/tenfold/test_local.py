import asyncio
import contextlib
import io
import socket
import threading

import pytest
from rich.console import Console

from tenfold.local import (
    LogStream,
    PortTaken,
    address_of,
    free_port,
    in_daemon_thread,
    services_of,
    what_to_do_next,
)
from tenfold.settings import Settings


def test_taken_port_is_named_with_the_flag_that_helps() -> None:
    """A port where something listens is refused before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"127.0.0.1:{port}.*--port"):
            free_port("127.0.0.1", port)


def test_port_0_takes_a_free_one() -> None:
    """Port 0 becomes a port on which something can listen at once."""
    port = free_port("127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", port)):
        assert port > 0


def test_address_that_is_none_is_refused() -> None:
    """A host that no machine has is the same clear error."""
    with pytest.raises(PortTaken, match="no.such.host.invalid"):
        free_port("no.such.host.invalid", 8000)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("[::1]", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_ready_line_names_an_address_that_answers(host: str, url: str) -> None:
    """Wherever the gateway listens, the address that is told is one that this machine can open."""
    assert address_of(Settings(host=host)) == url


def test_what_to_do_next_can_be_typed_as_it_stands() -> None:
    """The address stands in the command where it is not the one that commands look at by themselves."""
    assert "detect photo.jpg\n" in what_to_do_next("http://127.0.0.1:8000")
    assert "detect photo.jpg --url http://127.0.0.1:9000\n" in what_to_do_next("http://127.0.0.1:9000")


def test_stop_order_is_gateway_workers_scheduler() -> None:
    """Nothing new may come in while workers finish, and the scheduler outlives them."""
    phases = [[service.name for service in phase] for phase in services_of(Settings(workers=2))]
    assert phases[0] == ["gateway"]
    assert phases[1][:2] == ["worker-1", "worker-2"]
    assert phases[-1] == ["scheduler"]


def test_what_a_process_says_is_data() -> None:
    """Markup in a line is printed as it stands, after the name of who said it."""
    out = io.StringIO()
    LogStream(Console(file=out, width=80), ["up", "worker-1"])("worker-1", "[red]not markup[/red] [1, 2]")
    assert out.getvalue() == "worker-1 │ [red]not markup[/red] [1, 2]\n"


def test_long_lines_are_not_wrapped() -> None:
    """A line stays one line, whatever the terminal's width."""
    out = io.StringIO()
    LogStream(Console(file=out, width=20), ["up"])("up", "word " * 30)
    assert out.getvalue().count("\n") == 1


def test_a_thread_that_is_given_up_is_not_waited_for() -> None:
    """The loop ends while what was begun beside it still goes on."""
    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(10)
        ended.set()

    async def give_up() -> None:
        working = asyncio.create_task(in_daemon_thread(work))
        await asyncio.sleep(0)  # one turn of the loop, in which it begins
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    asyncio.run(give_up())
    assert not ended.is_set()
    may_end.set()
    assert ended.wait(10)


def test_what_goes_wrong_in_a_thread_is_raised_where_it_is_waited_for() -> None:
    """As it was."""

    def work() -> None:
        raise ValueError("no good")

    with pytest.raises(ValueError, match="no good"):
        asyncio.run(in_daemon_thread(work))
