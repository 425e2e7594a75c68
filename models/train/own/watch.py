"""What a person sees of a run, on stderr: a bar with loss, measure and time to go, and a line an epoch that stays."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.train.loss import Loss
from models.train.own.course import Course
from models.train.own.progress import Epoch


class Watch:
    """Draws on a console while entered; where that is no terminal, only the lines that stay."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            TextColumn("to go:"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._measured = ""

    def __enter__(self) -> Watch:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Puts a new bar in the place of the last."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(what, total=total, completed=done, said="")

    def advance(self) -> None:
        """One more of what the bar counts."""
        if self._task is not None:
            self._bar.advance(self._task)

    def stepped(self, course: Course, step: int, loss: Loss) -> None:
        """One step of learning is done."""
        if self._task is None:
            return
        epoch = course.epoch_of(step * course.batch - 1) + 1
        said = f"loss {float(loss.total.detach()):.3f}{self._measured}"
        self._bar.update(self._task, advance=1, description=f"epoch {epoch}/{course.epochs}", said=said)

    def closed(self, course: Course, epoch: Epoch, best: bool) -> None:
        """An epoch is measured."""
        self._measured = f"  mAP50-95 {_shown(epoch.map50_95)}"
        parts = f"loss {epoch.loss:.3f} (box {epoch.box:.3f}, classes {epoch.classes:.3f}, edges {epoch.edges:.3f})"
        measured = f"mAP50 {_shown(epoch.map50)}  mAP50-95 {_shown(epoch.map50_95)}{'  best' if best else ''}"
        self.say(f"epoch {epoch.epoch:3d}/{course.epochs}  {epoch.seconds / 60:6.1f} min  {parts}  {measured}")


def _shown(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.3f}"
