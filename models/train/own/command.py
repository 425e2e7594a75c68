"""What ``python -m models.train`` does with a data set of one's own: check it, train on it, go on, tell the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from models.train.datasets.faults import DataError
from models.train.datasets.reading import counted, read_data
from models.train.datasets.records import DataSet, Picture
from models.train.learner import Diverged
from models.train.own.files import RunFiles
from models.train.own.options import Machine, RunOptions
from models.train.own.outcome import as_json, as_table, measured_as_served, resuming_command, serving_command
from models.train.own.run import Run, saved_run
from models.train.own.start import starting_network
from models.train.own.stopping import Stopping
from models.train.own.watch import Watch
from models.weights.errors import WeightsError

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
SMALL_SIDE = 8
"""The finest cells are 8 input pixels apart: what is smaller often has no cell of its own."""


def check(options: RunOptions, console: Console) -> int:
    """Reads all of the data set, pixels too, and tells what is in it. Returns an exit status."""
    try:
        data = read_data(options.source(), decode_all=True)
    except DataError as error:
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return FAILED
    _tell(data, options.size, console)
    return DONE


def begin(options: RunOptions, machine: Machine, folder: Path, console: Console) -> int:
    """A new run in a folder that holds none yet. Returns an exit status."""
    files = RunFiles(folder)
    if files.checkpoint.exists():
        console.print(
            f"{folder} holds a run already. To go on with it: {resuming_command(files)}\n"
            "To begin another: name another folder by --out.",
            markup=False,
            soft_wrap=True,
        )
        return WRONG
    try:
        data = read_data(options.source())
        _tell(data, options.size, console)
        network, start = starting_network(options, data.labels)
        console.print(f"Begins with {start}.", markup=False, highlight=False)
        with Watch(console) as watch:
            return _train(Run(network, options, machine, data, files, watch))
    except (DataError, Diverged, WeightsError) as error:
        return _failed(error, files, console)


def resume(folder: Path, machine: Machine, console: Console) -> int:
    """Goes on with a folder's run, by the options that it began with. Returns an exit status."""
    files = RunFiles(folder)
    try:
        options, network, state = saved_run(files)
        data = read_data(options.source())
        with Watch(console) as watch:
            run = Run(network, options, machine, data, files, watch)
            run.restore(state)
            return _train(run)
    except (DataError, Diverged, WeightsError) as error:
        return _failed(error, files, console)


def _train(run: Run) -> int:
    if run.machine.threads is not None:
        torch.set_num_threads(run.machine.threads)
    try:
        with Stopping() as stopping:
            done = run.go(lambda: stopping.asked)
    except KeyboardInterrupt:
        run.watch.say("Stopped at once, without saving: what was learnt since the last checkpoint is lost.")
        done = False
    if not done and not run.files.checkpoint.exists():
        return INTERRUPTED
    if not done:
        run.watch.say(f"Stopped. To go on: {resuming_command(run.files)}")
        return INTERRUPTED
    figures = measured_as_served(run.files, run.scorer, run.machine.device)
    run.files.write_figures(as_json(figures, run.data, run.progress))
    run.watch.console.print(as_table(figures, run.data))
    run.watch.say(f"Weights, log and learning curve are in {run.files.folder}. To serve:")
    run.watch.say(f"  {serving_command(run.files)}")
    return DONE


def _failed(error: Exception, files: RunFiles, console: Console) -> int:
    console.print(str(error), markup=False, highlight=False, soft_wrap=True)
    if files.checkpoint.exists():
        console.print(f"To go on from the last checkpoint: {resuming_command(files)}", markup=False, soft_wrap=True)
    return FAILED


def _tell(data: DataSet, size: int, console: Console) -> None:
    table = Table(title=f"{len(data.train)} pictures to learn from, {len(data.val)} to measure on")
    table.add_column("class")
    for name in ("objects to learn from", "to measure on"):
        table.add_column(name, justify="right")
    learnt, measured = counted(data.train), counted(data.val)
    for place, label in enumerate(data.labels):
        table.add_row(label, str(learnt[place]), str(measured[place]))
    console.print(table)
    for note in [*data.notes, *_small(data.train, size)]:
        console.print(f"Note: {note}", markup=False, highlight=False, soft_wrap=True)


def _small(pictures: Sequence[Picture], size: int) -> list[str]:
    count = 0
    for picture in pictures:
        sides = (picture.boxes[:, 2:] - picture.boxes[:, :2]).max(1, initial=0)
        count += int((sides * (size / max(picture.width, picture.height)) < SMALL_SIDE).sum())
    if not count:
        return []
    return [f"{count} objects are under {SMALL_SIDE} pixels at an input of {size}; a larger --size finds more of them"]
