"""What can be wrong with weights."""

from __future__ import annotations


class WeightsError(ValueError):
    """The file is no weights file, is damaged, or does not fit its network. The message names file and fault."""
