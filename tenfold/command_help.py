"""How commands that read their own options say what they are for."""

import argparse


def parser_of(command: str, description: str, *examples: str) -> argparse.ArgumentParser:
    """A parser for ``tenfold COMMAND`` whose help ends in command lines to begin from."""
    return argparse.ArgumentParser(
        prog=f"tenfold {command}",
        description=description,
        epilog="\n  ".join(["Examples:", *examples]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
