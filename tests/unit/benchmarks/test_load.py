import asyncio
from pathlib import Path

import pytest

from benchmarks.load import Order, Sender, Target


async def _send_to_who_hangs_up(folder: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        target = Target("127.0.0.1", server.sockets[0].getsockname()[1], "/v1/detect", jobs="/v1/jobs")
        await Sender(Order(target, str(folder), 1, seconds=1.0, bulk=2)).run()


def test_a_job_that_is_not_answered_is_told_as_that(tmp_path: Path) -> None:
    """A server that hangs up on a bulk ends the run with what happened, not with an answer that cannot be read."""
    (tmp_path / "640x480-000.jpg").write_bytes(b"a picture")
    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(_send_to_who_hangs_up(tmp_path))
    assert raised.group_contains(RuntimeError, match="a job was answered with 0: .*hung up|closed")
