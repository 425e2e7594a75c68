"""Load on a running system: pictures, jobs and waits, spoken in plain HTTP as any client would."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

from tests.system.running import eventually

FINAL = {"succeeded", "failed", "canceled", "expired"}


def jpeg(width: int = 64, height: int = 48, shade: int = 200) -> bytes:
    """A small real JPEG."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), (shade, shade, 30)).save(out, "JPEG")
    return out.getvalue()


PICTURE = jpeg()


def files(pictures: Sequence[bytes]) -> list[tuple[str, tuple[str, bytes, str]]]:
    """The multipart files of these pictures."""
    return [("files", (f"{number}.jpg", data, "image/jpeg")) for number, data in enumerate(pictures)]


@dataclass(frozen=True)
class Api:
    """A client of a running system; `key` makes it a client of its own."""

    url: str
    key: str = ""

    @property
    def headers(self) -> Mapping[str, str]:
        return {"X-API-Key": self.key} if self.key else {}

    def detect(self, *pictures: bytes, **fields: str) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/detect", files=files(pictures), data=fields, headers=self.headers, timeout=60)

    def submit(self, count: int, **fields: str) -> str:
        """Submit a job of `count` pictures; its id."""
        reply = httpx.post(
            f"{self.url}/v1/jobs", files=files([PICTURE] * count), data=fields, headers=self.headers, timeout=60
        )
        assert reply.status_code == 202, reply.text
        return str(reply.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        reply = httpx.get(f"{self.url}/v1/jobs/{job_id}", headers=self.headers)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def results(self, job_id: str) -> list[dict[str, Any]]:
        """All results so far, page by page."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            params = {"cursor": cursor} if cursor else {}
            page = httpx.get(f"{self.url}/v1/jobs/{job_id}/results", params=params, headers=self.headers).json()
            found += page["results"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def until_final(self, job_id: str, within_s: float = 150) -> dict[str, Any]:
        assert eventually(lambda: self.job(job_id)["state"] in FINAL, within_s), self.job(job_id)
        return self.job(job_id)

    def until_done(self, job_id: str, count: int, within_s: float = 150) -> None:
        """Wait until `count` of the job's images have a result."""
        assert eventually(lambda: self.job(job_id)["images"]["done"] >= count, within_s), self.job(job_id)


def batches(results: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """The results' indexes by the batch that they ran in, in the batches' order."""
    by_batch: dict[str, list[int]] = {}
    for result in results:
        by_batch.setdefault(result["batch"]["id"], []).append(result["index"])
    return [by_batch[name] for name in sorted(by_batch)]
