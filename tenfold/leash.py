"""Start a program that dies with the process that started it, however that one ends.

Run as a script, in a fresh and empty interpreter, between fork and exec: it asks Linux to kill this process when its
parent's thread is gone (prctl PR_SET_PDEATHSIG, which survives exec), then becomes the program. On other systems, where
nothing like it exists, programs are started as they are.

Start programs from a thread that lives as long as the process does: Linux watches the thread.
"""

import os
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


def leashed(argv: Sequence[str]) -> list[str]:
    """The command line that starts `argv` on a leash held by this process."""
    if sys.platform != "linux":
        return list(argv)
    # -I -S: nothing of the environment or of site-packages is wanted, and the start takes a few milliseconds.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *argv]


def _become(parent: int, argv: list[str]) -> None:
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    # The parent may have gone before the request was made; nobody would then hold the leash.
    if os.getppid() != parent:
        raise SystemExit(1)
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - to become that program is the point
    except OSError as error:
        raise SystemExit(f"{argv[0]} cannot be started: {error}") from error


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
