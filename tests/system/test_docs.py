"""What the README and the docs show is run as it stands there, against a real system with the demo model."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.running import Running, environment, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "docs/quickstart.md", "docs/tutorial.md", "docs/client.md", "docs/http-api.md"]
WRITTEN_URL = "http://127.0.0.1:8000"
# What sets a machine up or starts another system; `tests/system/test_up.py` and `test_compose.py` hold these.
SETS_UP = re.compile(r"^(make|docker|git|pip|\. \.venv|\.venv/bin/tenfold doctor|#|$)")
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """The blocks of a page that can be run, in order, by their language."""

    name: str
    shell: str
    python: str


def page(name: str) -> Page:
    blocks: dict[str, list[str]] = {"sh": [], "python": []}
    for language, text in BLOCK.findall((ROOT / name).read_text()):
        blocks[language].append(text)
    lines = [line for line in "".join(blocks["sh"]).splitlines() if not SETS_UP.match(line)]
    return Page(name, "\n".join(lines), "\n".join(blocks["python"]))


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("docs"), "--no-sample", "--device", "cpu") as system:
        yield system


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A person's own folder: a photo, a folder of photos, and the names by which the pages call them."""
    scenes = sorted((ROOT / "examples" / "images").glob("*.jpg"))
    (tmp_path / "photos").mkdir()
    for scene in scenes[:3]:
        shutil.copy(scene, tmp_path / "photos")
    shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path / "photos")
    for name in ("photo.jpg", "1.jpg", "2.jpg"):
        shutil.copy(scenes[0], tmp_path / name)
    check_out(tmp_path)
    return tmp_path


def check_out(folder: Path) -> None:
    """What a checkout has, as far as the pages' commands use it."""
    (folder / ".venv").symlink_to(Path(sys.prefix))
    (folder / "examples").symlink_to(ROOT / "examples")


def run(command: list[str], up: Running, folder: Path, text: str) -> str:
    """What `text` prints, read from standard input by `command` in `folder`, with this system's address in it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        command,
        input=text.replace(WRITTEN_URL, up.url),
        cwd=folder,
        env=environment(TENFOLD_URL=up.url, PATH=path),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert ended.returncode == 0, f"{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"
    return ended.stdout


@pytest.mark.parametrize("name", [name for name in PAGES if page(name).shell])
def test_every_command_of_a_page_works(up: Running, folder: Path, name: str) -> None:
    """The shell lines of a page, one after the other in one shell, all end well."""
    shell = page(name).shell
    if "curl" in shell and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    # A service's refusal is an error here too, which curl by itself would not say.
    told = run(["bash", "-euo", "pipefail", "-s"], up, folder, f'curl() {{ command curl -fsS "$@"; }}\n{shell}\n')
    assert "Traceback" not in told
    if name == "docs/quickstart.md":
        check_what_the_quickstart_leaves(folder)


def test_the_readmes_commands_work_in_a_checkout(up: Running, tmp_path: Path) -> None:
    """Who just cloned the project needs no picture of their own, and something is found in what the README names."""
    check_out(tmp_path)
    told = run(["bash", "-euo", "pipefail", "-s"], up, tmp_path, page("README.md").shell)
    assert '"label":"' in told
    assert list((tmp_path / "boxes").glob("*.png"))


def check_what_the_quickstart_leaves(folder: Path) -> None:
    """The annotated pictures and the files of each format lie where the page says."""
    assert len(list((folder / "found").glob("*.png"))) == 3
    assert {"results.coco.json", "results.yolo.zip"} <= {path.name for path in (folder / "found").iterdir()}
    assert (folder / "found.csv").read_text().startswith("index,")
    assert len((folder / "found.ndjson").read_text().splitlines()) == 3


@pytest.mark.parametrize("name", [name for name in PAGES if page(name).python])
def test_every_program_of_a_page_works(up: Running, folder: Path, name: str) -> None:
    """The Python blocks of a page, one after the other in one program, run to their end."""
    assert run([sys.executable, "-"], up, folder, page(name).python)


@pytest.mark.parametrize("name", [*PAGES, *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))])
def test_links_between_pages_lead_somewhere(name: str) -> None:
    """Every relative link of a page is a file that is there."""
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", (ROOT / name).read_text())
    missing = [link for link in links if not (ROOT / name).parent.joinpath(link).exists()]
    assert not missing
