"""``/v1/values`` over HTTP, with a scheduler and a values worker of the real kind behind it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import redis as redis_py

from inference_worker.stopping import StopFlag
from inference_worker.values.worker import ValuesWorker
from scheduler.clock import RedisClock
from scheduler.values import DueValues
from tenfold.redis_server import RedisServer
from tenfold.settings import Settings
from tenfold.store.connection import connect
from tenfold.store.event_reader import EventReader
from tenfold.store.keys import Keys
from tenfold.store.scheduler_store import SchedulerStore
from tenfold.store.values_scheduler_store import ValuesSchedulerStore
from tenfold.store.values_worker_store import ValuesWorkerStore
from tests.integration.gateway.gateway_world import running_gateway
from tests.integration.waiting import wait_for

KEYS = Keys()


@dataclass
class Values:
    http: httpx.Client
    client: redis_py.Redis

    def forget_all(self) -> None:
        """Drop what waits and what is stored."""
        self.client.delete(KEYS.values_due)
        wait_for(lambda: not self.client.exists(KEYS.values_queued), "the values under way")
        self.http.delete("/v1/values")

    def generate(self, **body: Any) -> str:
        """Begin a run; its path."""
        reply = self.http.post("/v1/values/generate", json=body)
        assert reply.status_code == 202, reply.text
        return reply.headers["location"]

    def total(self) -> int:
        return int(self.http.get("/v1/values/total").json()["count"])

    def ended(self, path: str) -> dict[str, Any]:
        wait_for(lambda: self.http.get(path).json()["state"] != "running", "the end of the run")
        return dict(self.http.get(path).json())


def lead(url: str, stop: threading.Event) -> None:
    """What the leading scheduler does for values, and no more."""
    client = connect(url)
    leader = SchedulerStore(client, KEYS, 0)
    token = ""
    due = DueValues(ValuesSchedulerStore(client, KEYS), 60, 15_000)
    reader = EventReader(client, KEYS.events)
    clock = RedisClock(client)
    while not stop.is_set():
        token = leader.lead(token) or token
        reader.read(b"0-0", 2)
        due.wake()
        due.move(token, clock.now_ms())
        leader.forget_events(b"99999999999999-0")
    reader.close()
    client.close()


@pytest.fixture(scope="module")
def module_values(redis_server: RedisServer) -> Iterator[Values]:
    with redis_py.Redis.from_url(redis_server.url) as client:
        client.flushall()
    stop, flag = threading.Event(), StopFlag()
    store = ValuesWorkerStore(connect(redis_server.url), KEYS, "v1", 2**28, 15_000)
    leading = threading.Thread(target=lead, args=(redis_server.url, stop))
    working = threading.Thread(target=ValuesWorker(store, flag).serve)
    for thread in (leading, working):
        thread.start()
    settings = Settings(redis_url=redis_server.url, model=("toy",), value_bytes_max=1000, queued_values_max=20_000)
    with (
        running_gateway(redis_server.url, settings) as (_, url),
        httpx.Client(base_url=url, timeout=20) as http,
        redis_py.Redis.from_url(redis_server.url) as client,
    ):
        yield Values(http, client)
    flag.set()
    stop.set()
    for thread in (leading, working):
        thread.join()


@pytest.fixture
def values(module_values: Values) -> Values:
    """No value is there yet, and none is to come."""
    module_values.forget_all()
    return module_values


def problem(reply: httpx.Response) -> tuple[int, str, str | None]:
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    return reply.status_code, body["code"], body.get("field")


def test_run_goes_from_accepted_to_stored(values: Values) -> None:
    """A run is answered at once with its place, and ends with all of its values stored within its window."""
    reply = values.http.post("/v1/values/generate", json={"count": 20, "within_s": 1})
    run = reply.json()
    assert reply.status_code == 202
    assert reply.headers["location"] == f"/v1/values/runs/{run['id']}"
    assert set(run) == {"id", "state", "requested", "stored", "late", "failed", "started_at", "finished_at", "errors"}
    assert (run["state"], run["requested"], run["finished_at"]) == ("running", 20, None)
    ended = values.ended(reply.headers["location"])
    assert (ended["state"], ended["stored"], ended["failed"], ended["errors"]) == ("succeeded", 20, 0, [])
    assert ended["started_at"] == run["started_at"]
    assert values.total() == 20


def test_a_thousand_values_in_two_seconds(values: Values) -> None:
    """A thousand values within two seconds are all stored, and runs at once add up."""
    paths = [values.generate(count=1000, within_s=2), values.generate(count=50, within_s=0.5)]
    assert [values.ended(path)["stored"] for path in paths] == [1000, 50]
    assert values.total() == 1050


def test_no_body_means_the_defaults(values: Values) -> None:
    """A request without a body begins fifty values in ten seconds."""
    assert values.http.post("/v1/values/generate").json()["requested"] == 50


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"count": 0}', "count"),
        ('{"count": -1}', "count"),
        ('{"count": 10001}', "count"),
        ('{"count": true}', "count"),
        ('{"count": "50"}', "count"),
        ('{"within_s": 0.09}', "within_s"),
        ('{"within_s": 3601}', "within_s"),
        ('{"within_s": 1e999}', "within_s"),
        ('{"cnt": 5}', "cnt"),
    ],
)
def test_wrong_fields_of_a_run_are_named(values: Values, body: str, field: str) -> None:
    """A field outside its range, of another type or of no meaning is 422 and named."""
    assert problem(values.http.post("/v1/values/generate", content=body)) == (422, "invalid_field", field)


def test_body_that_is_no_json_is_told(values: Values) -> None:
    """A body that is no JSON is 422, one beyond its bound 413."""
    assert problem(values.http.post("/v1/values/generate", content="{")) == (422, "malformed_json", None)
    assert problem(values.http.post("/v1/values/generate", content="[]")) == (422, "invalid_field", None)
    assert problem(values.http.put("/v1/values/k", content=b'{"value": "\xff"}')) == (422, "malformed_json", None)
    assert problem(values.http.put("/v1/values/k", content=b" " * 20_000)) == (413, "body_too_large", None)


def test_too_many_waiting_values_are_503(values: Values) -> None:
    """Beyond the bound of waiting values a run is refused with the time after which there is room."""
    values.http.post("/v1/values/generate", json={"count": 10_000, "within_s": 3600})
    values.http.post("/v1/values/generate", json={"count": 9_000, "within_s": 3600})
    reply = values.http.post("/v1/values/generate", json={"count": 2_000})
    assert problem(reply) == (503, "values_queue_full", None)
    assert 1 <= int(reply.headers["retry-after"]) <= 3600


def test_unknown_run_is_404(values: Values) -> None:
    """A run that is not there is 404, whatever its id looks like."""
    for run_id in ("nope", "a:errors", "*", "%00"):
        assert problem(values.http.get(f"/v1/values/runs/{run_id}"))[:2] == (404, "run_not_found")


@pytest.mark.parametrize(
    "key", ["a:b", "é ü 字", "a b", "%", "line\nend\n", ".hidden", "Total", "\x00", "?x=1#y", "é" * 512]
)
def test_one_value_is_put_got_and_deleted(values: Values, key: str) -> None:
    """A value under any text is created, replaced, read and deleted, and is then gone."""
    path = f"/v1/values/{quote(key, safe='')}"
    body = {"key": key, "value": "ä \n one"}
    assert (reply := values.http.put(path, json={"value": "ä \n one"})).status_code == 201
    assert reply.json() == body
    assert values.http.put(path, json={"value": "ä \n one"}).status_code == 200
    assert values.http.get(path).json() == body
    assert values.total() == 1
    assert values.http.delete(path).json() == body
    assert problem(values.http.get(path)) == (404, "value_not_found", None)
    assert problem(values.http.delete(path)) == (404, "value_not_found", None)


@pytest.mark.parametrize(
    "path", ["generate", "total", "random", "runs", "a%2Fb", "a/b", "", "%ff", "total%0A", "x" * 1025, "runs/a/b"]
)
def test_what_can_be_no_key_is_422(values: Values, path: str) -> None:
    """The routes' own words, slashes, nothing, no UTF-8 and too much are refused as keys."""
    assert problem(values.http.put(f"/v1/values/{path}", json={"value": "v"})) == (422, "invalid_key", "key")
    assert values.total() == 0


def test_value_has_its_bound(values: Values) -> None:
    """A value may have as many bytes as the setting says, however its JSON escapes them, and no more."""
    assert values.http.put("/v1/values/k", content='{"value": "' + "\\u0000" * 1000 + '"}').status_code == 201
    assert len(values.http.get("/v1/values/k").json()["value"]) == 1000
    assert problem(values.http.put("/v1/values/k", json={"value": "x" * 1001})) == (413, "value_too_large", None)
    assert problem(values.http.put("/v1/values/k", json={"value": 5})) == (422, "invalid_field", "value")
    assert problem(values.http.put("/v1/values/k", json={})) == (422, "invalid_field", "value")


def test_sample_is_what_was_asked_for_or_what_there_is(values: Values) -> None:
    """Ten by default, any number from 0, all where there are fewer; a negative number is 422."""
    for number in range(15):
        values.http.put(f"/v1/values/{number}", json={"value": f"v{number}"})
    for asked, given in ((None, 10), (3, 3), (0, 0), (15, 15), (10**30, 15)):
        reply = values.http.get("/v1/values", params={} if asked is None else {"count": asked}).json()
        assert reply["count"] == given == len(reply["data"])
        assert all(value == f"v{key}" for key, value in reply["data"].items())
    assert problem(values.http.get("/v1/values?count=-1")) == (422, "invalid_request", "count")


def test_all_values_are_listed_in_pages(values: Values) -> None:
    """``all=1`` goes through every value by cursor; large samples come whole too."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: values.http.put(f"/v1/values/k{n:04}", json={"value": "v"}), range(1100)))
    first = values.http.get("/v1/values?all=1").json()
    second = values.http.get("/v1/values", params={"all": 1, "cursor": first["next_cursor"]}).json()
    assert (first["count"], second["count"], second["next_cursor"]) == (1000, 100, None)
    assert [*first["data"], *second["data"]] == [f"k{n:04}" for n in range(1100)]
    assert problem(values.http.get("/v1/values?all=1&cursor=%25")) == (422, "invalid_field", "cursor")
    whole = values.http.get("/v1/values?count=5000").json()
    assert whole["count"] == 1100 == len(whole["data"])


def test_random_delete_takes_what_it_says(values: Values) -> None:
    """A random delete draws 0 to 10 and deletes so many, or what there is; all other values stay."""
    for number in range(30):
        values.http.put(f"/v1/values/{number}", json={"value": "v"})
    left = 30
    drawn = set()
    while left:
        told = values.http.delete("/v1/values/random").json()
        drawn.add(told["requested"])
        assert told["deleted"] == min(told["requested"], left)
        left -= told["deleted"]
        assert values.total() == left
    assert drawn <= set(range(11))
    told = values.http.delete("/v1/values/random").json()
    assert told["deleted"] == 0


def test_another_method_is_405(values: Values) -> None:
    """A method that a path does not take is 405 with those that it takes."""
    reply = values.http.patch("/v1/values/k")
    assert problem(reply)[0] == 405
    assert set(reply.headers["allow"].split(", ")) == {"GET", "HEAD", "PUT", "DELETE"}


def test_counts_add_up_under_concurrency(values: Values) -> None:
    """Random deletes, samples and runs at once: never a 5xx, and what was stored less what was deleted is there."""
    paths = [values.generate(count=200, within_s=3) for _ in range(3)]
    over = threading.Event()
    deleted = [0, 0]

    def delete(place: int) -> None:
        with httpx.Client(base_url=values.http.base_url, timeout=20) as http:
            while not over.is_set():
                reply = http.delete("/v1/values/random")
                assert reply.status_code == 200
                deleted[place] += reply.json()["deleted"]

    def look() -> None:
        with httpx.Client(base_url=values.http.base_url, timeout=20) as http:
            while not over.is_set():
                for path in ("/v1/values?count=7", "/v1/values?all=1"):
                    reply = http.get(path)
                    assert reply.status_code == 200
                    assert reply.json()["count"] == len(reply.json()["data"])

    with ThreadPoolExecutor(3) as pool:
        loops = [pool.submit(delete, 0), pool.submit(delete, 1), pool.submit(look)]
        runs = [values.ended(path) for path in paths]
        over.set()
        for loop in loops:
            loop.result()
    assert [run["stored"] for run in runs] == [200] * 3
    assert values.total() == 600 - sum(deleted)


def test_no_route_goes_through_the_whole_database(values: Values) -> None:
    """Whatever is asked of values, Redis is never told to list or flush its keys."""
    values.client.config_resetstat()
    path = values.generate(count=5, within_s=0.1)
    values.ended(path)
    values.http.put("/v1/values/k", json={"value": "v"})
    for asked in ("/v1/values/total", "/v1/values", "/v1/values?all=1", "/v1/values/k"):
        assert values.http.get(asked).status_code == 200
    for deleted in ("/v1/values/k", "/v1/values/random", "/v1/values"):
        assert values.http.delete(deleted).status_code == 200
    run = {name.removeprefix("cmdstat_").partition("|")[0] for name in values.client.info("commandstats")}
    assert "zrandmember" in run
    assert not run & {"keys", "scan", "sscan", "hscan", "zscan", "flushdb", "flushall"}


def test_schema_describes_what_is_answered(values: Values) -> None:
    """The API's pages have a summary, a description and an example or a schema for every route of the values."""
    spec = values.http.get("/openapi.json").json()
    routes = {path: item for path, item in spec["paths"].items() if path.startswith("/v1/values")}
    assert set(routes) == {
        "/v1/values",
        "/v1/values/generate",
        "/v1/values/runs/{run_id}",
        "/v1/values/total",
        "/v1/values/random",
        "/v1/values/{key}",
    }
    for item in routes.values():
        for operation in item.values():
            assert operation["summary"]
            assert operation["description"]
            assert any("schema" in media for media in _media(operation))
    assert "RunAnswer" in spec["components"]["schemas"]


def _media(operation: dict[str, Any]) -> list[dict[str, Any]]:
    return [media for reply in operation["responses"].values() for media in reply.get("content", {}).values()]
