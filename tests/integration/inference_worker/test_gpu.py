"""The demo model on a CUDA device, through the worker's own parts."""

import pytest
import torch

from inference_worker.cost import CostCurve
from inference_worker.decoders import Decoders
from inference_worker.detecting import CarefulDetector
from inference_worker.devices import resolve_device
from inference_worker.resident import Resident
from models.detector import DetectOptions
from tests.unit.inference_worker.toy import picture

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]


def test_demo_on_cuda() -> None:
    """The model loads and warms on `auto`, and answers a batch as it does on the CPU."""
    device = resolve_device("auto")
    assert device.type == "cuda"
    found = {}
    for where in (device, torch.device("cpu")):
        resident = Resident.load("demo", where)
        curve = CostCurve()
        resident.warm(10, lambda _lane, images, took_ms, curve=curve: curve.record(images, took_ms))  # type: ignore[misc]
        assert curve.cost_ms(10) > 0
        size = resident.info.sizes[0]
        decoders = Decoders(2, 10**6)
        images = [decoders.start({0: picture()}, resident.detector, size).image(0).prepared for _ in range(10)]
        decoders.close()
        ready = [image for image in images if image is not None]
        found[where.type] = CarefulDetector(resident.detector).detect(ready, [DetectOptions()] * 10)
    assert [len(one.detections or []) for one in found["cuda"]] == [len(one.detections or []) for one in found["cpu"]]
