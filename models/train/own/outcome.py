"""The end of a run: the weights file that it leaves, measured as it will be served, told by class."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from models.registry import load
from models.train.datasets.reading import counted
from models.train.datasets.records import DataSet
from models.train.measure import Figures
from models.train.own.files import RunFiles
from models.train.own.progress import RunProgress, known
from models.train.own.scoring import Scorer


def measured_as_served(files: RunFiles, scorer: Scorer, device: str) -> Figures:
    """COCO's measure of ``best.safetensors``, loaded from the disk in the way that a worker loads it."""
    return scorer.of_detector(load(str(files.best), device))


def as_table(figures: Figures, data: DataSet) -> Table:
    """A row a class and one for all."""
    table = Table(title=f"COCO's measure on {len(data.val)} pictures that were not learnt from")
    table.add_column("class")
    for name in ("objects", "AP50", "AP50-95"):
        table.add_column(name, justify="right")
    objects = counted(data.val)
    for place, label in enumerate(data.labels):
        table.add_row(label, str(objects[place]), *_shown(figures.by_label[label], figures.by_label_50_to_95[label]))
    table.add_section()
    table.add_row("all", str(objects.total()), *_shown(figures.at_50, figures.at_50_to_95))
    return table


def as_json(figures: Figures, data: DataSet, progress: RunProgress) -> dict[str, Any]:
    """The same for programs; None where a class has no object to find."""
    best, objects = progress.best(), counted(data.val)
    by_label = {
        label: {
            "objects": objects[place],
            "ap50": known(figures.by_label[label]),
            "ap50_95": known(figures.by_label_50_to_95[label]),
        }
        for place, label in enumerate(data.labels)
    }
    return {
        "map50": known(figures.at_50),
        "map50_95": known(figures.at_50_to_95),
        "epoch": best.epoch if best else None,
        "train_pictures": len(data.train),
        "val_pictures": len(data.val),
        "seconds": progress.seconds,
        "classes": by_label,
    }


def serving_command(files: RunFiles) -> str:
    """What serves the outcome."""
    return shlex.join(["tenfold", "up", "--model", str(files.best)])


def resuming_command(files: RunFiles) -> str:
    """What goes on with a run that was stopped."""
    return shlex.join(["python", "-m", "models.train", "--resume", str(files.folder)])


def _shown(*figures: float) -> Sequence[str]:
    return ["–" if (value := known(figure)) is None else f"{value:.3f}" for figure in figures]
