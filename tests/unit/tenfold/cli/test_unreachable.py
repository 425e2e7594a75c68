"""Every command that asks a service, where there is none, or where something else answers in its place."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from tenfold.cli import main
from tenfold.cli.app import app
from tests.unit.tenfold.canned_service import CannedService, Reply, canned_service

NOWHERE = "http://127.0.0.1:9"
SCENE = str(Path(__file__).parents[4] / "examples" / "images" / "scene-1.jpg")
# Each with the arguments that it needs.
COMMANDS = [
    ["detect", SCENE],
    ["detect", SCENE, SCENE],
    ["jobs", "submit", SCENE],
    ["jobs", "list"],
    ["jobs", "show", "x"],
    ["jobs", "watch", "x"],
    ["jobs", "results", "x"],
    ["jobs", "results", "x", "--format", "csv"],
    ["jobs", "images", "x"],
    ["jobs", "trace", "x"],
    ["jobs", "close", "x"],
    ["jobs", "cancel", "x"],
    ["values", "generate"],
    ["values", "show", "x"],
    ["values", "total"],
    ["values", "sample"],
    ["values", "delete-random"],
    ["top"],
    ["queues"],
    ["workers"],
    ["models", "list"],
    ["models", "reload", "demo"],
]
each_command = pytest.mark.parametrize("args", COMMANDS, ids=lambda args: " ".join(args).replace(SCENE, "SCENE"))
PAGE = b"<html><body>Welcome</body></html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where they would leave files."""
    with contextlib.chdir(tmp_path):
        yield tmp_path


class OneAnswer(CannedService):
    """Answers everything with the same."""

    def answer(self, asked: object) -> Reply:  # noqa: ARG002 - whatever it is
        return self.replies["", ""][0]


@pytest.fixture(scope="module")
def service() -> Iterator[CannedService]:
    with canned_service(OneAnswer) as running:
        yield running


def commands_of(command: typer.core.TyperCommand | typer.core.TyperGroup, *path: str) -> Iterator[list[str]]:
    """Every command that takes an address, by its words."""
    if isinstance(command, typer.core.TyperGroup):
        for name, inner in command.commands.items():
            yield from commands_of(inner, *path, name)  # type: ignore[arg-type]  # all are typer's
    elif any("--url" in option.opts for option in command.params):
        yield [*path]


def test_no_command_is_missing_here() -> None:
    """A new command that asks a service belongs into the table."""
    there = commands_of(get_command(app))  # type: ignore[arg-type]  # typer's own
    assert [words for words in there if not any(words == args[: len(words)] for args in COMMANDS)] == []


@each_command
def test_server_down_is_status_4_and_no_traceback(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With nobody there, every client command says where it looked and what to start, and ends with 4."""
    assert main([*args, "--url", NOWHERE]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert NOWHERE in err
    assert "tenfold up" in err
    assert err.count("\n") == 1


@each_command
def test_a_key_that_is_not_known_is_said_and_where_to_give_one(
    service: CannedService, args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The service's own words, and the two ways to show a key."""
    told = {"title": "Unauthorized", "status": 401, "code": "unauthorized", "detail": "this API key is not known"}
    service.reply("", "", told, status=401)
    assert main([*args, "--url", service.url, "--api-key", "wrong"]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"tenfold: {told['detail']}; --api-key or TENFOLD_API_KEY gives one\n")


@pytest.mark.parametrize(
    ("reply", "status", "says"),
    [
        (Reply(PAGE, 200, HTML), 1, "a web page"),
        (Reply(PAGE, 503, HTML), 4, "503 Service Unavailable, not in Tenfold's words: a proxy"),
        (Reply(b"", 308, {"Location": "https://tenfold.example/"}), 1, "leads to https://tenfold.example/"),
    ],
    ids=["page", "proxy", "redirect"],
)
@each_command
def test_what_else_answers_is_not_mistaken_for_a_service(
    service: CannedService,
    args: list[str],
    reply: Reply,
    status: int,
    says: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A web server or a proxy there is said to be one, and nothing of it is taken for data or left as a file."""
    service.reply("", "", reply)
    assert main([*args, "--url", service.url]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert service.url in err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("reply", [Reply(PAGE, 404, HTML), Reply({"message": "no route"}, 404)], ids=["page", "JSON"])
def test_refusals_of_others_are_told_from_ours(
    service: CannedService, reply: Reply, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it says, the status is told and that Tenfold did not say it."""
    service.reply("", "", reply)
    assert main(["jobs", "list", "--url", service.url]) == 1
    said = f"tenfold: {service.url}/v1/jobs answered 404 Not Found, not in Tenfold's words: is --url right?\n"
    assert capsys.readouterr().err == said
