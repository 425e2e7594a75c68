"""What a person types: `tenfold …`. One file for each group of commands."""

import sys
from collections.abc import Sequence

from tenfold import services


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and give its exit status (0 done, 1 failed, 2 wrong usage, 3 partly failed, 4 server not
    reachable, 124 wait ran out, 130 Ctrl-C).
    """
    args = list(sys.argv[1:] if argv is None else argv)
    if args and args[0] in services.MODULES:
        # Before anything else is imported: a service's process holds nothing of the commands.
        services.become(args[0], args[1:])
        return 0
    from tenfold.cli.app import run

    return run(args)
