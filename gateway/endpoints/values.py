"""``/v1/values``: the value-generation jobs, and the values that they store."""

from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.convertors import Convertor, register_url_convertor

from gateway.crud.fields import InvalidField
from gateway.crud.values import GenerateRequest, PutRequest, ValuesBody
from gateway.dependencies import Caller, ValuesDesk, admin_of
from gateway.json_bodies import read_json
from gateway.openapi import GENERATE, PUT_VALUE, problem_answers
from gateway.replies import json_reply
from gateway.schemas import (
    DeletedAnswer,
    DeletedAtRandomAnswer,
    RunAnswer,
    TotalAnswer,
    ValueAnswer,
    ValuesAnswer,
    ValuesPageAnswer,
)


class _Text(Convertor[str]):
    """Everything that follows, slashes and line ends too, so that what cannot be a key is told to be none."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("text", _Text())
router = APIRouter(prefix="/v1/values", tags=["values"])

_GENERATE_BODY_BYTES_MAX = 4096
# JSON may write one byte of text as six.
_ESCAPED = 6


def _key(
    request: Request,
    key: Annotated[
        str,
        Path(
            description="Any text but `generate`, `random`, `runs` and `total`; no `/`, at most 1024 bytes of UTF-8.",
            examples=["note:1"],
        ),
    ],
) -> str:
    try:
        unquote_to_bytes(request.scope.get("raw_path") or b"").decode()
    except UnicodeDecodeError:
        raise InvalidField("key", "the key is no UTF-8", code="invalid_key") from None
    return key


Key = Annotated[str, Depends(_key)]


@router.post(
    "/generate",
    summary="Generate values at random moments",
    status_code=202,
    response_model=RunAnswer,
    openapi_extra=GENERATE,
    responses=problem_answers(401, 408, 413, 422, 503),
)
async def generate(request: Request, caller: Caller, values: ValuesDesk) -> Response:
    """Store `count` new values within `within_s` seconds, each at a random moment: a UUID as key, the time of making as
    value.

    The answer comes at once: 202 with the run and its `Location`. Every value is a job of its own on the queue
    `tenfold:values`. The run goes on whatever its client does; runs add up, and several may go on at once.
    """
    run = await values.generate(
        await read_json(request, GenerateRequest, _GENERATE_BODY_BYTES_MAX, empty=GenerateRequest()), caller
    )
    request.scope["tenfold.run"] = run.id
    return json_reply(run, 202, {"Location": values.place_of(run)})


@router.get(
    "/runs/{run_id}",
    summary="A run as it stands",
    response_model=RunAnswer,
    responses=problem_answers(401, 404, 503),
)
async def run(
    run_id: Annotated[str, Path(description="The `id` of the run.")], caller: Caller, values: ValuesDesk
) -> Response:
    """How many values of a run are stored, how many of these late, how many failed, and why.

    It is `running` until every value was stored or failed; then `succeeded`, or `failed` where none was stored.
    """
    return json_reply(await values.run(run_id, caller))


@router.get(
    "",
    summary="Some values at random, or all of them",
    response_model=ValuesAnswer | ValuesPageAnswer,
    responses=problem_answers(401, 422, 503),
)
async def sample(
    values: ValuesDesk,
    count: Annotated[int, Query(ge=0, description="How many at most; all there are where there are fewer.")] = 10,
    all: Annotated[bool, Query(description="`1` lists all, in the order of their keys, in pages.")] = False,  # noqa: A002
    cursor: Annotated[str | None, Query(description="With `all=1`: the `next_cursor` of the page before.")] = None,
) -> Response:
    """Up to `count` values, chosen at random, none twice. The cost depends on `count`, not on how many there are.

    With `all=1`, every value in pages of at most 1000: one that stays is listed once, whatever else comes and goes.
    """
    if all:
        return json_reply(await values.page(cursor))
    chosen = await values.sample(count)
    if not chosen.rest:
        return json_reply(ValuesBody(len(chosen.read), chosen.read))
    return StreamingResponse(values.pieces(chosen), media_type="application/json")


@router.delete(
    "",
    summary="Delete all values",
    dependencies=[Depends(admin_of)],
    response_model=DeletedAnswer,
    responses=problem_answers(401, 503),
)
async def delete_all(values: ValuesDesk) -> Response:
    """Delete every value that is there, in slices, so that nothing else waits for it. Nothing but values is touched."""
    return json_reply(await values.delete_all())


@router.get(
    "/total", summary="How many values there are", response_model=TotalAnswer, responses=problem_answers(401, 503)
)
async def total(values: ValuesDesk) -> Response:
    """Counted by an index of our own, at once however many there are."""
    return json_reply(await values.total())


@router.delete(
    "/random",
    summary="Delete a random few",
    dependencies=[Depends(admin_of)],
    response_model=DeletedAtRandomAnswer,
    responses=problem_answers(401, 503),
)
async def delete_random(values: ValuesDesk) -> Response:
    """Draw a number from 0 to 10 and delete as many values, chosen at random; fewer where there are fewer."""
    return json_reply(await values.delete_random())


@router.get(
    "/{key:text}", summary="One value", response_model=ValueAnswer, responses=problem_answers(401, 404, 422, 503)
)
async def get(key: Key, values: ValuesDesk) -> Response:
    """The value under `key`."""
    return json_reply(await values.get(key))


@router.put(
    "/{key:text}",
    summary="Store one value",
    response_model=ValueAnswer,
    openapi_extra=PUT_VALUE,
    responses={
        201: {"model": ValueAnswer, "description": "The key is new"},
        **problem_answers(401, 408, 413, 422, 503),
    },
)
async def put(request: Request, key: Key, values: ValuesDesk) -> Response:
    """Store a text under `key`, in place of what was there. At most 1 MiB of UTF-8 (`TENFOLD_VALUE_BYTES_MAX`)."""
    body = await read_json(request, PutRequest, _ESCAPED * values.value_bytes_max + _GENERATE_BODY_BYTES_MAX)
    created = await values.put(key, body.value)
    return json_reply({"key": key, "value": body.value}, 201 if created else 200)


@router.delete(
    "/{key:text}",
    summary="Delete one value",
    dependencies=[Depends(admin_of)],
    response_model=ValueAnswer,
    responses=problem_answers(401, 404, 422, 503),
)
async def delete(key: Key, values: ValuesDesk) -> Response:
    """Delete the value under `key`; the answer is what was there."""
    return json_reply(await values.delete(key))
