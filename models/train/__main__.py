"""``python -m models.train --minutes 85 --folder FOLDER``: trains the demo model; goes on where it was stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from models.train.loop import Trainer, TrainOptions
from models.train.shapes import LABELS
from models.yolo.config import YoloConfig
from models.yolo.network import Yolo


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("training"), help="where the checkpoint is kept")
    parser.add_argument("--minutes", type=float, default=85.0, help="wall time to spend, over all runs in this folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0")
    parser.add_argument("--threads", type=int, default=2, help="threads that the network computes with on a CPU")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw scenes")
    parser.add_argument("--compile", action="store_true", help="a third faster after a minute or two a picture size")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    options = TrainOptions(
        arguments.folder,
        arguments.minutes,
        arguments.seed,
        workers=arguments.workers,
        device=arguments.device,
        compiled=arguments.compile,
    )
    trainer = Trainer(Yolo(YoloConfig(len(LABELS))), options)
    trainer.resume()
    trainer.run()


if __name__ == "__main__":
    main()
