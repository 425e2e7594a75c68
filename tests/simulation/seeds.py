"""Randomness with a name."""

import random


def dice(seed: int) -> random.Random:
    """The numbers of ``seed``."""
    return random.Random(seed)
