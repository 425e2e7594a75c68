import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenfold.client import ApiError, ClientError, NotReachable, Options, Retries, Tenfold, Upload, WaitRanOut
from tests.unit.tenfold.canned_service import CannedService, broken, canned_service, found, job


@pytest.fixture
def service() -> Iterator[CannedService]:
    with canned_service() as running:
        yield running


@pytest.fixture
def client(service: CannedService) -> Iterator[Tenfold]:
    with Tenfold(service.url, "secret") as connected:
        yield connected


def test_detect_sends_bytes_and_files_and_reads_boxes(service: CannedService, client: Tenfold, tmp_path: Path) -> None:
    """Images go as one multipart body with the options as fields, and results come back typed."""
    service.reply("POST", "/v1/detect", job(results=[found(0), broken(1)]))
    path = tmp_path / "a.png"
    path.write_bytes(b"from a file")
    answer = client.detect([Upload.of(path), Upload("b.png", b"from memory")], Options(conf=0.5), wait_s=7)
    asked = service.asked[0]
    assert all(part in asked.body for part in (b'filename="a.png"', b"from a file", b"from memory", b'name="conf"'))
    assert asked.headers["Prefer"] == "wait=7"
    assert asked.headers["Authorization"] == "Bearer secret"
    assert answer.results is not None
    assert answer.results[0].detections is not None
    assert answer.results[0].detections[0].label == "circle"
    assert answer.results[1].error is not None
    assert answer.results[1].error.code == "invalid_image"


def test_many_files_need_one_descriptor(service: CannedService, client: Tenfold, tmp_path: Path) -> None:
    """A request with more files than a process may have open is sent all the same."""
    service.reply("POST", "/v1/jobs/j1/images", job("queued", total=3000, done=0, open=True), status=202)
    path = tmp_path / "a.png"
    path.write_bytes(b"0123456789")
    client.add_images("j1", [Upload(f"{n}.png", path) for n in range(3000)])
    assert service.asked[0].body.count(b"0123456789") == 3000


def test_results_of_all_pages_come_in_order(service: CannedService, client: Tenfold) -> None:
    """Pages are followed by their cursor until there is none."""
    service.reply(
        "GET",
        "/v1/jobs/j1/results",
        {"results": [found(0), found(1)], "next_cursor": "c2"},
        {"results": [found(2)], "next_cursor": None},
    )
    assert [result.index for result in client.results("j1")] == [0, 1, 2]
    assert service.asked[1].path.endswith("?cursor=c2")


def test_watch_ends_with_the_final_state(service: CannedService, client: Tenfold) -> None:
    """A job is told again and again until its state is final."""
    service.reply("GET", "/v1/jobs/j1", job("queued", done=0), job("running", done=0), job("succeeded"))
    assert [now.state for now in client.watch("j1", every_s=0.001)] == ["queued", "running", "succeeded"]


def test_watch_gives_up_when_its_time_is_over(service: CannedService, client: Tenfold) -> None:
    """A wait that runs out is an error of its own that says the job goes on."""
    service.reply("GET", "/v1/jobs/j1", job("running", done=0))
    with pytest.raises(WaitRanOut, match="goes on"):
        list(client.watch("j1", every_s=0.001, timeout_s=0.01))


def test_problem_document_becomes_an_error_with_its_words(service: CannedService, client: Tenfold) -> None:
    """What the service says about a refusal is what the error says."""
    service.reply("POST", "/v1/detect", {"title": "Unprocessable", "status": 422, "detail": "conf is 2"}, status=422)
    with pytest.raises(ApiError, match="^conf is 2$") as refused:
        client.detect([Upload("a", b"x")])
    assert refused.value.status == 422


def test_error_without_a_problem_document_keeps_its_status(service: CannedService) -> None:
    """A proxy's page instead of a problem document still gives the status, and says that nobody was reached."""
    service.reply("GET", "/v1/jobs", b"<html>Bad Gateway", status=502)
    with (
        Tenfold(service.url, retries=Retries(times=0)) as client,
        pytest.raises(ApiError, match="502.*proxy") as failed,
    ):
        client.jobs()
    assert isinstance(failed.value, NotReachable)
    assert (failed.value.status, failed.value.problem) == (502, {})


def test_answer_of_something_else_is_not_mistaken_for_ours(service: CannedService, client: Tenfold) -> None:
    """A 200 that is not a job is an error, not a crash."""
    service.reply("GET", "/v1/jobs/j1", {"hello": "world"})
    with pytest.raises(ClientError, match="not Tenfold's"):
        client.job("j1")


def test_nobody_there_says_where_it_looked_and_what_to_start() -> None:
    """With the server down the error names the address and the command that starts one."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with Tenfold(url) as client, pytest.raises(NotReachable, match=rf"{url}.*tenfold up"):
            client.jobs()
        with Tenfold(url) as client:
            assert not client.is_ready()


@pytest.mark.parametrize("job_id", ["", "..", "a/b", "a?b"])
def test_no_id_leaves_its_part_of_the_path(client: Tenfold, job_id: str) -> None:
    """What a person types as an id can address a job and nothing else."""
    with pytest.raises(ApiError, match="no job's id"):
        client.job(job_id)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://"])
def test_a_wrong_url_is_a_sentence(url: str) -> None:
    """An address that is none is an error of ours, not a traceback."""
    with Tenfold(url) as client, pytest.raises(NotReachable):
        client.jobs()
