"""Threads beside the main one in which torch computes alone: a second team of its threads would slow the first down."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch


def calm_torch() -> None:
    """Make torch compute alone in the calling thread.

    Part of what this sets is the whole process's: the main thread sets its own count afterwards.
    """
    # Reading it back makes torch remember it for this thread.
    torch.set_num_threads(1)
    torch.get_num_threads()


def calm_threads(count: int, name: str) -> ThreadPoolExecutor:
    """``count`` such threads, all of them started."""
    pool = ThreadPoolExecutor(count, thread_name_prefix=name)
    all_up = Barrier(count)
    for started in [pool.submit(_start, all_up) for _ in range(count)]:
        started.result()
    return pool


def _start(all_up: Barrier) -> None:
    calm_torch()
    all_up.wait()
