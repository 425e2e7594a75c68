"""An image that takes its worker along: it costs three restarts and fails, and its neighbours never notice."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

from tests.system.load import PICTURE, Api, files, jpeg
from tests.system.running import SYNTHETIC, running

MARKED = jpeg(13, 17)
"""What the planted faults look for: no other picture has this size."""

FAULTS = {
    "the model exits": "SyntheticDetector.detect = lambda self, batch, options: (\n"
    "    os._exit(9) if any((i.letterbox.width, i.letterbox.height) == (13, 17) for i in batch)\n"
    "    else detect(self, batch, options)\n"
    ")\n",
    "the decoder dies": "decoders.decode_image = lambda raw, most: (\n"
    "    os.kill(os.getpid(), signal.SIGSEGV) if bytes(raw) == MARKED else decode(raw, most)\n"
    ")\n",
    "the decoder hangs": "decoders.decode_image = lambda raw, most: (\n"
    "    time.sleep(600) if bytes(raw) == MARKED else decode(raw, most)\n"
    ")\n",
}
# Python imports this by itself at its start, in every process; only a worker is made faulty.
PLANTED = """
import os, signal, sys, time
if sys.orig_argv[1:4] == ["-m", "tenfold", "worker"]:
    from inference_worker import decoders
    from models.synthetic import SyntheticDetector
    MARKED = {marked!r}
    decode, detect = decoders.decode_image, SyntheticDetector.detect
    {fault}
"""


@pytest.mark.system
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", FAULTS)
def test_an_image_that_ends_its_worker_fails_alone(tmp_path: Path, name: str) -> None:
    """After three lost workers it fails with that reason; nine neighbours succeed, and so does what comes next."""
    (tmp_path / "planted").mkdir()
    fault = FAULTS[name].replace("\n", "\n    ")
    (tmp_path / "planted" / "sitecustomize.py").write_text(PLANTED.format(marked=MARKED, fault=fault))
    env = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "planted"), os.environ.get("PYTHONPATH", "")]),
        "TENFOLD_LEASE_S": "2",
        "TENFOLD_BATCH_TIMEOUT_S": "2",
    }
    with running(tmp_path / "data", "--no-sample", "--workers", "1", "--model", SYNTHETIC, env=env) as up:
        api = Api(up.url)
        pictures = [MARKED if index == 4 else PICTURE for index in range(10)]
        job_id = httpx.post(f"{up.url}/v1/jobs", files=files(pictures)).json()["id"]
        assert api.until_final(job_id, within_s=200)["images"] == {"total": 10, "done": 9, "failed": 1}
        results = api.results(job_id)
        (failed,) = [result for result in results if result["error"]]
        assert (failed["index"], failed["error"]["code"], failed["attempts"]) == (4, "worker_lost", 3)
        assert "3 workers were lost" in failed["error"]["message"]
        assert api.detect(PICTURE).status_code == 200
        assert up.log.read_text().count("starting it again") == 3
