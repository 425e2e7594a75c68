"""Stopping, waiting for Redis, devices, choices and the JPEG header."""

import signal

import pytest
import torch
from PIL import Image
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from inference_worker.__main__ import main
from inference_worker.choice import Choice
from inference_worker.devices import compute_threads, decode_threads, resolve_device, usable_cores
from inference_worker.jpeg import JpegHeader, read_header
from inference_worker.outage import PAUSE_MOST_S, Outage
from inference_worker.stopping import StopFlag
from tenfold.contract.errors import SettingsError
from tests.unit.inference_worker.encoded import encode


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--levels", "urgent"], "--levels: 'urgent'; allowed: whole numbers with commas between them"),
        (["--levels", "-1"], "--levels: '-1'; allowed: whole numbers with commas between them"),
        (["--threads", "all"], "--threads: 'all'; allowed: a whole number, at least 1"),
        (["--threads", "0"], "--threads: '0'; allowed: a whole number, at least 1"),
    ],
)
def test_a_flag_that_cannot_be_read(flags: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The worker ends with status 2 and says what its flag would take."""
    with pytest.raises(SystemExit) as end:
        main([f"{flags[0]}={flags[1]}"])
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_stop_flag() -> None:
    """The first signal sets the flag; another one within a second is the same stop."""
    stop = StopFlag()
    assert not stop
    assert stop.stopping_s() == 0
    stop._on_signal(signal.SIGTERM, None)
    stop._on_signal(signal.SIGINT, None)
    assert stop
    assert stop.stopping_s() > 0


def test_stop_before_anything_is_held() -> None:
    """While the model still loads, a signal ends the process at once; from then on it sets the flag."""
    stop = StopFlag()
    stop._at_once = True
    with pytest.raises(SystemExit) as end:
        stop._on_signal(signal.SIGTERM, None)
    assert end.value.code == 0
    stop.defer()
    stop._on_signal(signal.SIGTERM, None)
    assert stop


def test_waits_longer_and_longer() -> None:
    """While Redis is away, the pauses grow up to a bound; then the answer comes through."""
    pauses: list[float] = []
    outage = Outage(StopFlag(), pauses.append)

    def call() -> str:
        if len(pauses) < 8:
            raise RedisConnectionError("away")
        return "answer"

    assert outage.retry(call) == "answer"
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.2
    assert pauses[-1] == PAUSE_MOST_S


def test_is_impatient_while_stopping() -> None:
    """A worker that is to stop tries its last commit often."""
    pauses: list[float] = []
    stop = StopFlag()
    stop.set()
    outage = Outage(stop, pauses.append)
    for _ in range(5):
        outage.noticed(RedisConnectionError("away"))
    assert pauses == [0.1] * 5


def test_a_refusal_is_no_outage() -> None:
    """What the server refuses is raised at once."""

    def call() -> None:
        raise ResponseError("no")

    with pytest.raises(ResponseError):
        Outage(StopFlag(), lambda _: None).retry(call)


def test_devices() -> None:
    """`auto` is the CPU where there is no CUDA device; a device that is not there is refused."""
    count = torch.cuda.device_count()
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type == ("cuda" if count else "cpu")
    with pytest.raises(SettingsError, match=f"cuda:{count}"):
        resolve_device(f"cuda:{count}")


def test_threads() -> None:
    """What was asked for counts; else a CPU's model takes every core, and a GPU's one thread."""
    assert compute_threads(3, torch.device("cpu")) == 3
    assert compute_threads(None, torch.device("cpu")) == usable_cores()
    assert compute_threads(None, torch.device("cuda", 0)) == 1
    assert [decode_threads(cores) for cores in (1, 2, 64)] == [1, 2, 4]


def test_choice_of_levels() -> None:
    """Levels are served in order, each once; all of them unless some are named."""
    assert Choice().served(3) == [0, 1, 2]
    assert Choice(levels=[2, 0, 2]).served(3) == [0, 2]
    for wrong in ([3], [-1], []):
        with pytest.raises(SettingsError, match="allowed are 0 to 2"):
            Choice(levels=wrong).served(3)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0" + bytes(500)}])
def test_jpeg_header(options: dict[str, object]) -> None:
    """The header has the frame's size, components and depth."""
    for mode, components in (("RGB", 3), ("L", 1), ("CMYK", 4)):
        raw = encode(Image.new(mode, (30, 20)), "JPEG", **options)
        assert read_header(raw) == JpegHeader(30, 20, components, 8)


def test_odd_jpeg_headers() -> None:
    """Whatever is out of the ordinary has no header: the careful decoder decides."""
    raw = encode(Image.new("RGB", (30, 20)), "JPEG")
    frame = raw.index(b"\xff\xc0")
    twice = raw[:frame] + raw[frame : frame + 19] + raw[frame:]
    assert read_header(twice) is None
    assert all(read_header(raw[:end]) is None for end in range(raw.index(b"\xff\xda")))
    assert read_header(raw[:2] + b"\0" + raw[2:]) is None
    assert read_header(b"") is None
