"""Runs the reference implementations in their own environment and writes down what they answer.

Called by command line with that environment's Python: `reference.py OUT FAMILY SIZE CLASSES IMGSZ`. It imports nothing
of Tenfold. OUT gets `checkpoint.pt` and `fused.pt`, saved as these packages save them, and `answers.pt`: input, raw
outputs, letterboxed pictures and final boxes.
"""

# The packages that it imports are not in the environment where types are checked.
# mypy: ignore-errors

from __future__ import annotations

import datetime as dt
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from skimage import data

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
IOU = 0.7
MAX_DETECTIONS = 300
BOXES_WANTED = (40, 80)
"""So many candidates pass the threshold in a picture, which lies in the widest gap between two scores there: random
weights have no natural one, and rounding must not decide."""


def settle(network: torch.nn.Module, imgsz: int) -> None:
    """Gives a fresh network norms that know photographs, as after a training, and a head that is unsure by place.

    Without that, random weights answer nearly the same everywhere, and which of equal boxes stays is a matter of luck;
    with larger norms they are chaotic, and half precision is far off in the reference as well.
    """
    generator = torch.Generator().manual_seed(7)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.data.copy_(torch.rand(norm.weight.shape, generator=generator) * 0.4 + 0.2)
        norm.bias.data.copy_(torch.rand(norm.bias.shape, generator=generator) - 0.3)
    squares = [torch.from_numpy(letterboxed(picture, imgsz)).permute(2, 0, 1) for picture in photographs()]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    network.float().train()(torch.stack(squares).float() / 255)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    for module in network.eval().modules():
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            module.weight.data.mul_(0.3)
            module.bias.data.copy_(torch.rand(module.bias.shape, generator=generator) * 2 - 2)


def photographs() -> list[np.ndarray[Any, Any]]:
    """RGB pictures (H, W, 3) that scikit-image carries."""
    return [np.ascontiguousarray(getattr(data, name)()) for name in PHOTOGRAPHS]


def modern(out: Path, name: str, classes: int, imgsz: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """A network of the package `ultralytics`, saved by its own means, whole and fused; both read again by its own."""
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(1)
    model = YOLO(f"{name}.yaml")
    arguments = model.model.args
    model.model = DetectionModel(f"{name}.yaml", nc=classes, verbose=False)
    model.model.args = arguments
    settle(model.model, imgsz)
    model.save(str(out / "checkpoint.pt"))
    fused = YOLO(str(out / "checkpoint.pt"))
    fused.model.float().fuse()
    fused.save(str(out / "fused.pt"))
    whole, folded = (YOLO(str(out / name)).model.float().eval() for name in ("checkpoint.pt", "fused.pt"))
    return whole, folded


def anchored(out: Path, name: str, classes: int, imgsz: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """A network of the package `yolov5`, saved as its training saves it, whole and fused, and read again."""
    import yolov5.models
    from yolov5.models.yolo import DetectionModel

    torch.manual_seed(1)
    network = DetectionModel(str(Path(yolov5.models.__file__).parent / f"{name}.yaml"), nc=classes)
    settle(network, imgsz)
    _save_anchored(network, out / "checkpoint.pt")
    whole = _load_anchored(out / "checkpoint.pt")
    _save_anchored(deepcopy(whole).fuse(), out / "fused.pt")
    return whole, _load_anchored(out / "fused.pt")


def _load_anchored(path: Path) -> torch.nn.Module:
    network: torch.nn.Module = torch.load(path, weights_only=False)["ema"].float().eval()
    return network


def _save_anchored(network: torch.nn.Module, path: Path) -> None:
    torch.save(
        {
            "epoch": 12,
            "best_fitness": np.array([0.5]),
            "model": None,
            "ema": deepcopy(network).half(),
            "updates": 100,
            "optimizer": None,
            "opt": {"imgsz": 320, "save_dir": Path("runs")},
            "git": {"remote": None},
            "date": dt.datetime(2022, 11, 22, tzinfo=dt.UTC).isoformat(),
        },
        path,
    )


def letterboxed(picture: np.ndarray[Any, Any], imgsz: int) -> np.ndarray[Any, Any]:
    """A square input, (imgsz, imgsz, 3), by the package's own means."""
    from ultralytics.data.augment import LetterBox

    return np.ascontiguousarray(LetterBox((imgsz, imgsz), auto=False)(image=picture))


def raw(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The first output: boxes and scores undivided, as the package gives them."""
    with torch.inference_mode():
        output = network(x)
    first: torch.Tensor = output[0] if isinstance(output, (tuple, list)) else output
    return first.clone()


def suppressed(network: torch.nn.Module, square: torch.Tensor, anchors: bool, shape: tuple[int, int]) -> dict[str, Any]:
    """Final boxes (n, 6: xyxy, score, class), and the threshold that gives about enough of them.

    ``inside`` are in the input's pixels, ``boxes`` in the picture's.
    """
    output = raw(network, square)
    best = (output[0, :, 5:] * output[0, :, 4:5]).amax(-1) if anchors else output[0, 4:].amax(0)
    fewest, most = BOXES_WANTED
    scores = best.topk(most).values[fewest:]
    widest = int((scores[:-1] - scores[1:]).argmax())
    conf = float(scores[widest] + scores[widest + 1]) / 2
    if anchors:
        from yolov5.utils.general import non_max_suppression, scale_boxes
    else:
        from ultralytics.utils.nms import non_max_suppression
        from ultralytics.utils.ops import scale_boxes
    found = non_max_suppression(output, conf, IOU, max_det=MAX_DETECTIONS)[0][:, :6].clone()
    boxes = found.clone()
    boxes[:, :4] = scale_boxes(square.shape[2:], boxes[:, :4], shape)
    return {"conf": conf, "inside": found, "boxes": boxes}


def answers(network: torch.nn.Module, fused: torch.nn.Module, anchors: bool, imgsz: int) -> dict[str, Any]:
    """Everything that a parity test compares."""
    whole = photographs()
    x = torch.stack([torch.from_numpy(picture[:192, :256]).permute(2, 0, 1) for picture in whole[:2]]).float() / 255
    pictures = whole + [np.ascontiguousarray(picture[:imgsz, :imgsz]) for picture in whole]
    squares = [letterboxed(picture, imgsz) for picture in pictures]
    batches = [torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255 for square in squares]
    return {
        "x": x,
        "raw": raw(network, x),
        "raw_fused": raw(fused, x),
        "pictures": [torch.from_numpy(picture) for picture in pictures],
        "squares": [torch.from_numpy(square) for square in squares],
        "found": [
            suppressed(network, batch, anchors, picture.shape[:2])
            for picture, batch in zip(pictures, batches, strict=True)
        ],
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }


def main() -> None:
    """Writes checkpoints and answers."""
    out, family, size, classes, imgsz = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    anchors = family == "yolov5-anchors"
    name = ("yolov5" if anchors else family) + size
    network, fused = (anchored if anchors else modern)(out, name, classes, imgsz)
    torch.save(answers(network, fused, anchors, imgsz), out / "answers.pt")


if __name__ == "__main__":
    with torch.no_grad():
        main()
