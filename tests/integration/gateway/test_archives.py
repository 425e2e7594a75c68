import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gateway.gateway_world import World, image
from tests.integration.waiting import wait_for

FILES = {"a.jpg": image(), "sub/b.png": image(kind="PNG"), "notes.txt": b"these are no images", ".hidden": b"x"}
TYPES = {"zip": "application/zip", "tar": "application/x-tar", "tar.gz": "application/gzip"}


def packed(kind: str, files: dict[str, bytes] = FILES) -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipping:
            for name, data in files.items():
                zipping.writestr(name, data)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w") as tarring:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tarring.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue()) if kind == "tar.gz" else out.getvalue()


def results_of(world: World, job: dict[str, Any]) -> list[tuple[str, str | None]]:
    at = job["links"]["self"]
    wait_for(lambda: world.http.get(at).json()["finished_at"], "the job's end")
    results = world.http.get(job["links"]["results"]).json()["results"]
    return [(one["name"], one["error"] and one["error"]["code"]) for one in results]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("as_form", [True, False])
def test_an_archive_is_a_job_of_its_files(world: World, kind: str, *, as_form: bool) -> None:
    """As the form's only file or as the raw body; what is no image is that image's error."""
    data = packed(kind)
    if as_form:
        reply = world.http.post("/v1/jobs", files={"files": (f"x.{kind}", data)}, data={"conf": "0.5"})
    else:
        reply = world.http.post("/v1/jobs?conf=0.5", content=data, headers={"content-type": TYPES[kind]})
    assert reply.status_code == 202, reply.text
    assert reply.json()["images"]["total"] == 3
    assert results_of(world, reply.json()) == [
        ("a.jpg", None),
        ("sub/b.png", None),
        ("notes.txt", "unsupported_image_format"),
    ]


def test_an_archive_that_is_refused_leaves_nothing(world: World, tmp_path: Path) -> None:
    """Each refusal is a sentence with its own code, and neither job nor image nor upload stays."""
    before = {key for key in world.backend.client.keys("tenfold:*") if b":upload" not in key}
    refused = [
        (packed("zip", {"inner.zip": packed("zip")}), 422, "unsafe_archive"),
        (packed("tar", {"a.jpg": image(), "../b.jpg": image()}), 422, "unsafe_archive"),
        (packed("zip")[:-30], 400, "malformed_archive"),
        (packed("zip", {"big.bmp": bytes(5_000_000)}), 413, "archive_too_large"),
        (packed("tar.gz", {".only-hidden": b"x"}), 422, "no_images"),
    ]
    for data, status, code in refused:
        reply = world.http.post("/v1/jobs", files={"files": ("x", data)})
        assert (reply.status_code, reply.json()["code"]) == (status, code)
    wait_for(
        lambda: all(score == 0 for _, score in world.backend.client.zrange("tenfold:uploads", 0, -1, withscores=True)),
        "the uploads to be given up",
    )
    after = {key for key in world.backend.client.keys("tenfold:*") if b":upload" not in key and b":blob:" not in key}
    assert after <= before | {b"tenfold:events"}


def test_an_archive_comes_alone_and_only_as_a_job(world: World) -> None:
    """Beside other files it is refused; where an answer is waited for it is a file of a kind that is not taken."""
    data = packed("zip")
    for files in ([data, image()], [image(), data]):
        reply = world.http.post("/v1/jobs", files=[("files", ("x", one)) for one in files])
        assert (reply.status_code, reply.json()["code"]) == (422, "archive_not_alone")
    detect = world.http.post("/v1/detect", files={"files": ("x.zip", data)})
    assert (detect.status_code, detect.json()["code"]) == (415, "unsupported_image_format")
    raw = world.http.post("/v1/detect", content=data, headers={"content-type": "application/zip"})
    assert (raw.status_code, raw.json()["code"]) == (415, "unsupported_media_type")


def test_the_same_archive_again_is_the_same_job(world: World) -> None:
    """Compared by each file within, so that packing again the same way or another changes nothing."""
    headers = {"idempotency-key": "an-archive"}
    replies = [
        world.http.post("/v1/jobs", files={"files": ("x", packed(kind))}, headers=headers) for kind in ("zip", "tar")
    ]
    assert [reply.status_code for reply in replies] == [202, 202]
    assert replies[0].json()["id"] == replies[1].json()["id"]


def test_limits_count_within_an_archive(world_with: Callable[..., World]) -> None:
    """Images of a job, bytes of a file, and the disk that zips are spooled to."""
    world = world_with(images_per_job_max=2, file_bytes_max=20_000, spool_dir=Path("/nowhere/at/all"))
    many = world.http.post("/v1/jobs", files={"files": ("x", packed("tar"))})
    assert (many.status_code, many.json()["code"]) == (413, "too_many_images")
    large = world.http.post(
        "/v1/jobs", files={"files": ("x", packed("tar", {"l.bmp": image((100, 100), "BMP"), "s.jpg": image()}))}
    )
    assert results_of(world, large.json()) == [("l.bmp", "file_too_large"), ("s.jpg", None)]
    nowhere = world.http.post("/v1/jobs", files={"files": ("x", packed("zip"))})
    assert (nowhere.status_code, nowhere.json()["code"]) == (503, "spool_full")
    assert int(nowhere.headers["retry-after"]) >= 1
