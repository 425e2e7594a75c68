"""All annotated images of a job as one zip."""

import asyncio
import io
import json
import zipfile
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tenfold.cli import main
from tenfold.client import ApiError, AsyncTenfold, Tenfold
from tests.integration.gateway.gateway_world import KEYS, World, image
from tests.integration.waiting import wait_for


def submit(world: World, *files: tuple[str, bytes]) -> str:
    job_id: str = world.http.post("/v1/jobs", files=[("files", file) for file in files]).json()["id"]
    return job_id


def until_final(world: World, job_id: str) -> None:
    wait_for(lambda: world.http.get(f"/v1/jobs/{job_id}").json()["finished_at"], "the end of the job")


def gallery(world: World, job_id: str) -> zipfile.ZipFile:
    reply = world.http.get(f"/v1/jobs/{job_id}/images")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/zip"), reply.text
    assert f'filename="{job_id}.images.zip"' in reply.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(reply.content))
    assert archive.testzip() is None
    return archive


def test_every_image_is_there_as_it_is_alone(world: World) -> None:
    """Entries are in order, by index and safe name, and have the bytes of the single image's route."""
    job_id = submit(world, *((f"../{number}/a.jpg", image((16 + number, 12))) for number in range(12)))
    until_final(world, job_id)
    archive = gallery(world, job_id)
    assert archive.namelist() == [f"{number:05d}-a.png" for number in range(12)]
    for number, name in enumerate(archive.namelist()):
        assert archive.read(name) == world.http.get(f"/v1/jobs/{job_id}/images/{number}").content
        with Image.open(io.BytesIO(archive.read(name))) as picture:
            assert picture.size == (16 + number, 12)


def test_what_cannot_be_drawn_is_named_with_its_reason(world: World) -> None:
    """An image with an error, one that is no longer kept, and one without a result yet stand in missing.txt."""
    broken = image((64, 64))[:-500]
    job_id = submit(world, ("a.jpg", image()), ("bad.jpg", broken), ("c.jpg", image()))
    until_final(world, job_id)
    world.backend.client.delete(KEYS.blob(job_id, 2))
    archive = gallery(world, job_id)
    assert archive.namelist() == ["00000-a.png", "missing.txt"]
    lines = [line.split("\t") for line in archive.read("missing.txt").decode().splitlines()]
    assert [(line[0], line[1]) for line in lines] == [("1", "bad.jpg"), ("2", "c.jpg")]
    assert lines[0][2].startswith("truncated_image: ")
    assert "TENFOLD_KEEP_IMAGES_S" in lines[1][2]


def test_of_a_job_under_way_what_is_done_is_there(world: World) -> None:
    """The rest is named as without a result; before the first one there is nothing to draw."""
    world.backend.let.clear()
    job_id = submit(world, *((f"{number}.jpg", image()) for number in range(11)), ("x.jpg", b"no picture at all"))
    reply = world.http.get(f"/v1/jobs/{job_id}/images")
    assert (reply.status_code, reply.json()["code"]) == (409, "no_result")
    world.backend.let.set()
    until_final(world, job_id)
    world.backend.client.hset(KEYS.job(job_id), "state", "running")
    world.backend.client.hincrby(KEYS.job(job_id), "done", -1)
    world.backend.client.lrem(KEYS.order(job_id), 1, "10")
    lines = gallery(world, job_id).read("missing.txt").decode().splitlines()
    assert "10\t\tno result" in lines


def test_where_nothing_is_left_it_is_gone(world: World) -> None:
    """410 names the setting; another's job, or none, is 404."""
    job_id = submit(world, ("a.jpg", image()), ("b.jpg", image()))
    until_final(world, job_id)
    world.backend.client.delete(KEYS.blob(job_id, 0), KEYS.blob(job_id, 1))
    reply = world.http.get(f"/v1/jobs/{job_id}/images")
    assert (reply.status_code, reply.json()["code"]) == (410, "image_gone")
    assert "TENFOLD_KEEP_IMAGES_S" in reply.json()["detail"]
    assert world.http.get("/v1/jobs/nosuchjob/images").status_code == 404


def test_both_clients_write_the_same_zip(world: World, tmp_path: Path) -> None:
    """Under its name once it is whole; what is refused leaves no file behind."""
    job_id = submit(world, ("a.jpg", image()), ("b.jpg", image((9, 9))))
    until_final(world, job_id)
    one, other, none = tmp_path / "one.zip", tmp_path / "other.zip", tmp_path / "none.zip"
    with Tenfold(world.url) as client:
        client.save_pictures(job_id, one)
        with pytest.raises(ApiError, match="there is no job"):
            client.save_pictures("nosuchjob", none)

    async def save() -> None:
        async with AsyncTenfold(world.url) as client:
            await client.save_pictures(job_id, other)

    asyncio.run(save())
    with zipfile.ZipFile(one) as a, zipfile.ZipFile(other) as b:
        assert [(x.filename, x.CRC) for x in a.infolist()] == [(x.filename, x.CRC) for x in b.infolist()]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.zip", "other.zip"]


def test_the_command_saves_a_zip_or_a_folder(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0 where all are there, 3 where some are missing, with why; in a folder lie the pictures alone."""
    job_id = submit(world, ("a.jpg", image()), ("b.jpg", image((64, 64))[:-500]))
    until_final(world, job_id)
    folder = tmp_path / "found"
    assert main(["jobs", "images", job_id, "--out", str(folder), "--url", world.url]) == 3
    assert [path.name for path in folder.iterdir()] == ["00000-a.png"]
    assert "truncated_image" in capsys.readouterr().err
    path = tmp_path / "found.zip"
    assert main(["jobs", "images", job_id, "--out", str(path), "--url", world.url, "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["pictures"], told["missing"][0][0]) == (1, "1")
    whole = submit(world, ("a.jpg", image()))
    until_final(world, whole)
    assert main(["jobs", "images", whole, "--out", str(path), "--url", world.url]) == 0


def test_who_leaves_in_the_middle_costs_nothing_more(world: World) -> None:
    """After a client that read the beginning and left, others are served as before."""
    job_id = submit(world, *((f"{number}.jpg", image((1200, 900))) for number in range(20)))
    until_final(world, job_id)
    with httpx.stream("GET", f"{world.url}/v1/jobs/{job_id}/images") as reply:
        assert next(reply.iter_raw(1024))
    assert len(gallery(world, job_id).namelist()) == 20
