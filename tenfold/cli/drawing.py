"""Copies of the pictures with what was found drawn on them, as the results come."""

from collections.abc import Sequence
from pathlib import Path

from tenfold.client import ImageResult, Upload


class Drawer:
    """Draws results on copies of their pictures, as PNG in a folder that is made when it is needed.

    Attributes:
        drawn: how many pictures lie there.
        failed: (name, why) of those that could not be drawn here.
    """

    def __init__(self, uploads: Sequence[Upload], folder: Path) -> None:
        self._uploads = uploads
        self.folder = folder
        self.drawn = 0
        self.failed: list[tuple[str, str]] = []

    def draw(self, result: ImageResult) -> None:
        """Draw one result; one without detections leaves no picture. Raises OSError where nothing can be written."""
        from tenfold.annotate import annotate

        if result.detections is None:
            return
        upload = self._uploads[result.index]
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            picture = annotate(upload.read(), result.detections)
        except (OSError, ValueError) as error:
            self.failed.append((upload.name, str(error)))
            return
        # The name is data: only its stem goes into the path, and the index keeps two of a kind apart.
        picture.save(self.folder / f"{result.index:05d}-{Path(upload.name).stem}.png", compress_level=1)
        self.drawn += 1
