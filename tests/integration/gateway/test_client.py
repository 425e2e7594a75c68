"""The Python client against a real gateway."""

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold.client import ApiError, AsyncTenfold, Tenfold, WaitRanOut
from tests.integration.gateway.gateway_world import World, image


def test_images_of_every_kind_are_detected(world: World, tmp_path: Path) -> None:
    """A path, bytes, a Pillow image and an array go in one request, and come back in that order."""
    path = tmp_path / "a.jpg"
    path.write_bytes(image((8, 6)))
    given = [path, image((9, 6)), Image.new("RGB", (10, 6)), np.zeros((6, 11, 3), np.uint8)]
    with Tenfold(world.url) as client:
        results = client.detect(given).results or []
    assert [result.width for result in results] == [8, 9, 10, 11]
    assert all(result.detections and result.detections[0].label == "circle" for result in results)


def test_results_come_while_the_job_runs(world: World) -> None:
    """Each result is there once it is committed, and none comes twice."""
    world.backend.let.clear()
    with Tenfold(world.url) as client:
        job = client.submit([image()] * 25 + [b"no image at all, sorry"])
        first = next(iter(client.as_completed(job.id)))
        assert (first.index, first.error is not None) == (25, True)
        world.backend.let.set()
        assert sorted(result.index for result in client.as_completed(job.id)) == list(range(26))
        *_, last = client.watch(job.id)
        assert (last.state, last.images.done, last.images.failed) == ("succeeded", 25, 1)


def test_a_wait_that_runs_out_leaves_the_job(world: World) -> None:
    """WaitRanOut names the job, which goes on and can be taken up again."""
    world.backend.let.clear()
    with Tenfold(world.url) as client:
        with pytest.raises(WaitRanOut) as ran_out:
            client.detect([image(), image()], wait_s=0.2)
        assert ran_out.value.job_id is not None
        world.backend.let.set()
        assert len(list(client.as_completed(ran_out.value.job_id, timeout_s=10))) == 2


def test_the_same_key_is_the_same_job(world: World) -> None:
    """A submission under a key that was used is the job that it made."""
    with Tenfold(world.url) as client:
        sent = [client.submit(image(), idempotency_key="order-7").id for _ in range(2)]
        assert len(set(sent)) == 1


def test_a_refusal_has_its_word(world: World) -> None:
    """A bad single image is an ApiError with the service's code."""
    with Tenfold(world.url) as client, pytest.raises(ApiError) as refused:
        client.detect(b"no image at all, sorry")
    assert (refused.value.status, refused.value.code) == (415, "unsupported_image_format")


def test_a_drawn_picture_and_the_formats_are_there(world: World) -> None:
    """The annotated picture is a PNG of the image's size, and each format comes whole."""
    with Tenfold(world.url) as client:
        job = client.detect([image((40, 30)), image()])
        assert Image.open(io.BytesIO(client.picture(job.id, 0))).size == (40, 30)
        assert client.results_as(job.id, "csv").startswith(b"index,")


def test_many_at_once_on_asyncio(world: World) -> None:
    """Twenty detections at the same time through one asynchronous client, and a job that is followed beside them."""

    async def go() -> int:
        async with AsyncTenfold(world.url) as client:
            sent = await client.submit([image()] * 12)
            jobs = await asyncio.gather(*(client.detect(image()) for _ in range(20)))
            followed = [result async for result in client.as_completed(sent.id)]
            return len(followed) + sum(len(job.results or []) for job in jobs)

    assert asyncio.run(go()) == 32
