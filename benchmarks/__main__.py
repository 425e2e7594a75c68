"""``python -m benchmarks``, or ``make bench``: measures, and writes a report into ``build/bench/``.

Every figure is a ratio inside one run on one machine. Nothing is left running, and no port is fixed.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks.contenders import PEERS, Setup, named
from benchmarks.machine import Machine
from benchmarks.peers.environments import ROOT, python_of
from benchmarks.pictures import pictures
from benchmarks.plan import Plan, busy_cores
from benchmarks.report import Report, Section
from tenfold.command_help import parser_of

PARTS: Final = ("core", "limit", "serving", "mixed", "queueing", "fairness", "gpu")
SCENES: Final = ("rivals", "overload", "pieces", "reserved", "singles")


def main(arguments: list[str] | None = None) -> int:
    """Run the parts asked for; exit status 1 where one of them broke."""
    flags = _parser().parse_args(arguments)
    plan = _plan(flags)
    report = Report(_command(arguments), plan.machine, datetime.now(UTC).strftime("%d %b %Y %H:%M UTC"))
    broken = False
    for part in flags.parts:
        report.busy_cores.append(busy_cores())
        try:
            report.sections.append(_part(part)(plan))
            broken = broken or bool(report.sections[-1].broke)
        except Exception as error:  # noqa: BLE001 - what other parts measured is worth keeping
            broken = True
            report.sections.append(Section(part, "", skipped=f"it broke: {type(error).__name__}: {error}"))
            plan.tell(f"{part} broke: {type(error).__name__}: {error}")
        paths = report.save(flags.out)
    print(report.markdown())
    print("written:", *paths, sep="\n  ")
    return int(broken)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of(
        "bench",
        "Measures Tenfold beside its peers.",
        "tenfold bench --quick",
        "tenfold bench --parts core,queueing --seconds 10",
    )
    parser.add_argument("--parts", type=_names, default=list(PARTS), help=f"of {','.join(PARTS)} (default: all)")
    parser.add_argument(
        "--peers",
        type=_peers,
        default=[peer.name for peer in PEERS],
        help=f"of {','.join(one.name for one in PEERS)} (default: all)",
    )
    parser.add_argument("--quick", action="store_true", help="one short round each: shows the way, not the figures")
    parser.add_argument("--seconds", type=float, help="length of one measurement (4; quick: 2)")
    parser.add_argument("--repeats", type=int, help="rounds (3; quick: 1)")
    parser.add_argument("--singles", type=int, default=0, help="part fairness: singles a side (1000; quick: 60)")
    parser.add_argument(
        "--scenes", type=_scenes, default=(), help=f"part fairness: of {','.join(SCENES)} (default: all)"
    )
    parser.add_argument("--resume", action="store_true", help="part fairness: go on where an interrupted run stopped")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench", help="where the report goes")
    return parser


def _names(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if strange := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"{', '.join(strange)}: parts are {', '.join(PARTS)}")
    return names


def _scenes(text: str) -> tuple[str, ...]:
    names = tuple(name for name in text.split(",") if name)
    if strange := [name for name in names if name not in SCENES]:
        raise argparse.ArgumentTypeError(f"{', '.join(strange)}: scenes are {', '.join(SCENES)}")
    return names


def _peers(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    try:
        named(names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return names


def _plan(flags: argparse.Namespace) -> Plan:
    machine = Machine.here()
    folder = (flags.out / "pictures").resolve()
    count = 40 if flags.quick else 200
    pictures(folder, count)
    setup = Setup(machine.cores, "cpu", folder, count, (flags.out / "logs").resolve())
    plan = Plan(
        setup,
        machine,
        named(flags.peers),
        seconds=flags.seconds or (2.0 if flags.quick else 4.0),
        repeats=flags.repeats or (1 if flags.quick else 3),
        quick=flags.quick,
        out=flags.out.resolve(),
        singles=flags.singles,
        scenes=flags.scenes,
        resume=flags.resume,
    )
    if {"serving", "mixed"} & set(flags.parts):
        for peer in plan.contenders:
            plan.tell(f"environment of {peer.name}")
            python_of(peer.name, peer.packages)
    return plan


def _part(name: str) -> Callable[[Plan], Section]:
    run: Callable[[Plan], Section] = import_module(f"benchmarks.parts.{name}").run
    return run


def _command(arguments: list[str] | None) -> str:
    return shlex.join(["python", "-m", "benchmarks", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    sys.exit(main())
