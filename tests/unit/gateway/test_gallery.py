"""A gallery that is left while its next pictures are drawn."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from gateway.crud.gallery import Gallery
from gateway.crud.results import ImageBody
from tenfold.contract.errors import Unavailable


class Outage:
    """Draws the first picture; of the second Redis is gone, and the third would take for ever."""

    async def draw_kept(self, _: str, index: int, __: Any) -> bytes:
        if index == 1:
            raise Unavailable("Redis is gone", code="redis_unavailable")
        if index == 2:
            await asyncio.Event().wait()
        return b"png"


async def images() -> AsyncGenerator[ImageBody]:
    for index in range(3):
        yield ImageBody(index, "", 1, 1, None, 1, [], None, None)


def test_pictures_that_nobody_takes_are_over_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """One that failed ahead of the one that is sent is no fault to log, and nothing goes on drawing."""

    async def leave() -> set[asyncio.Task[Any]]:
        drawn = Gallery(cast("Any", None), cast("Any", Outage()))._drawn("job", images())
        assert (await anext(drawn))[1] == b"png"
        await drawn.aclose()
        return asyncio.all_tasks() - {cast("asyncio.Task[Any]", asyncio.current_task())}

    assert asyncio.run(leave()) == set()
    gc.collect()
    assert caplog.records == []
