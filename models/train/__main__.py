"""Trains a detector: on your own pictures (``--data``), or, without it, the demo model on scenes drawn here."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from models.train.loop import Trainer, TrainOptions
from models.train.own.options import FINE_RATE, FRESH_RATE, Machine, RunOptions
from models.train.own.start import FRESH, NETWORKS
from models.train.shapes import LABELS
from models.yolo.config import YoloConfig
from models.yolo.network import Yolo


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.data is None and given.resume is None:
        if given.check:
            parser.error("--check reads the data set that --data names")
        _train_demo(given)
        return 0
    try:
        return _train_own(given, parser)
    except ValueError as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", help="cpu or cuda:0; own pictures: cuda:0 where there is one. For the demo: cpu")
    parser.add_argument("--threads", type=int, help="threads that the network computes with on a CPU")
    parser.add_argument("--workers", type=int, help="processes that prepare pictures ahead")
    _add_own(parser.add_argument_group("your own pictures"))
    demo = parser.add_argument_group("the demo model")
    demo.add_argument("--folder", type=Path, default=Path("training"), help="where the checkpoint is kept")
    demo.add_argument("--minutes", type=float, default=85.0, help="wall time to spend, over all runs in this folder")
    demo.add_argument("--compile", action="store_true", help="a third faster after a minute or two a picture size")
    return parser


def _add_own(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data", help="a data.yaml (YOLO), a COCO .json, or the folder of either layout")
    group.add_argument("--images", help="the folder of a COCO file's pictures, where it is not beside it")
    group.add_argument("--check", action="store_true", help="only read and check the data set")
    group.add_argument("--skip-faults", action="store_true", help="leave out what is faulty instead of refusing it")
    group.add_argument("--out", type=Path, default=Path("runs/own"), help="folder for weights, checkpoint and log")
    group.add_argument("--resume", type=Path, metavar="OUT", help="go on with the run of that folder")
    group.add_argument("--epochs", type=int, default=60, help="times over all pictures (60)")
    group.add_argument("--size", type=int, default=320, help="input size to train for and to serve, in pixels (320)")
    group.add_argument("--batch", type=int, default=16, help="pictures a step (16)")
    group.add_argument("--lr", type=float, help=f"highest learning rate ({FINE_RATE:g}; from scratch {FRESH_RATE:g})")
    group.add_argument("--weights", default="demo", help="begin with: demo, none (from scratch) or a weights file")
    group.add_argument("--network", choices=sorted(NETWORKS), default="nano", help="size of a network from scratch")
    group.add_argument("--mosaic", type=float, default=0.5, help="share of pictures put together from four (0.5)")
    group.add_argument("--no-flip", action="store_true", help="mirrored objects are other objects (letters, arrows)")
    group.add_argument("--val-share", type=float, default=0.15, help="to hold out where the set has no val part (0.15)")
    group.add_argument("--cache-mib", type=int, default=1024, help="memory for decoded pictures, of each part (1024)")


def _train_own(given: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    try:
        from models.train.own import command
    except ModuleNotFoundError as error:
        if error.name != "faster_coco_eval":
            raise
        parser.error("training on your own pictures needs more packages: pip install 'tenfold[train]'")
    console = Console(stderr=True)
    machine = _machine(given)
    if given.resume is not None:
        if given.data is not None or given.check:
            parser.error("--resume goes on with the data and the options that the run began with; give it alone")
        return command.resume(given.resume, machine, console)
    options = _options(given)
    if options.network != "nano" and options.weights != FRESH:
        parser.error(f"--network {options.network} is for a network from scratch: add --weights {FRESH}")
    return command.check(options, console) if given.check else command.begin(options, machine, given.out, console)


def _options(given: argparse.Namespace) -> RunOptions:
    rate = given.lr if given.lr is not None else FRESH_RATE if given.weights == FRESH else FINE_RATE
    return RunOptions(
        # Going on may happen from another folder.
        data=str(Path(given.data).resolve()),
        images=None if given.images is None else str(Path(given.images).resolve()),
        epochs=given.epochs,
        size=given.size,
        batch=given.batch,
        rate=rate,
        seed=given.seed,
        weights=given.weights,
        network=given.network,
        mosaic=given.mosaic,
        flip=not given.no_flip,
        val_share=given.val_share,
        skip_faults=given.skip_faults,
    )


def _machine(given: argparse.Namespace) -> Machine:
    device = given.device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    workers = given.workers if given.workers is not None else max(1, min(8, (os.cpu_count() or 2) // 2))
    return Machine(device, workers, given.threads, given.cache_mib)


def _train_demo(given: argparse.Namespace) -> None:
    torch.set_num_threads(2 if given.threads is None else given.threads)
    torch.manual_seed(given.seed)
    options = TrainOptions(
        given.folder,
        given.minutes,
        given.seed,
        workers=1 if given.workers is None else given.workers,
        device=given.device or "cpu",
        compiled=given.compile,
    )
    trainer = Trainer(Yolo(YoloConfig(len(LABELS))), options)
    trainer.resume()
    trainer.run()


if __name__ == "__main__":
    sys.exit(main())
