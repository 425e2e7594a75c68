"""``python -m scheduler.simulate``, which ``tenfold simulate`` runs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from scheduler.simulate.figures import Run, play
from scheduler.simulate.policies import POLICIES
from scheduler.simulate.report import figures, table
from scheduler.simulate.timeline import svg
from scheduler.simulate.workloads import PRESETS, Workload, load
from tenfold.command_help import parser_of
from tenfold.contract.errors import SettingsError

WRONG_USAGE = 2


def _parser() -> argparse.ArgumentParser:
    parser = parser_of(
        "simulate",
        "Play a workload on a virtual clock under several policies, without hardware.",
        "tenfold simulate",
        "tenfold simulate 'one greedy client' --timeline waits.svg",
    )
    parser.add_argument(
        "workload", nargs="?", default="interactive+bulk", help=f"a TOML file, or one of: {', '.join(PRESETS)}"
    )
    parser.add_argument("--policy", action="append", choices=[*POLICIES], help="may be given several times; all")
    parser.add_argument("--seed", type=int, default=0, help="of the random arrivals (0)")
    parser.add_argument("--timeline", type=Path, metavar="FILE.svg", help="draw who ran when")
    parser.add_argument("--from-ms", type=float, default=0.0, help="where the timeline begins (0)")
    parser.add_argument("--until-ms", type=float, default=10_000.0, help="where it ends (10000)")
    parser.add_argument("--json", action="store_true", help="plain JSON on stdout")
    return parser


def _workload(name: str, seed: int) -> Workload:
    preset = PRESETS.get(name) or PRESETS.get(name.replace("-", " "))
    if preset is not None:
        return preset(seed)
    if Path(name).suffix == ".toml":
        return load(Path(name), seed)
    raise SettingsError(f"no workload {name!r}: allowed are a .toml file, {', '.join(PRESETS)}")


def main(arguments: list[str] | None = None) -> int:
    """Simulate and print; 2 where what was asked for makes no sense."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        workload = _workload(asked.workload, asked.seed)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_USAGE
    if asked.timeline and asked.until_ms <= asked.from_ms:
        parser.error(f"--until-ms {asked.until_ms:g} must be after --from-ms {asked.from_ms:g}")
    runs = [play(workload, policy) for policy in asked.policy or POLICIES]
    if asked.timeline:
        asked.timeline.parent.mkdir(parents=True, exist_ok=True)
        asked.timeline.write_text(svg(runs, asked.from_ms, asked.until_ms), encoding="utf-8")
    _print(workload, runs, as_json=asked.json)
    return 0


def _print(workload: Workload, runs: list[Run], *, as_json: bool) -> None:
    if as_json:
        data = {"workload": workload.name, "about": workload.about, "policies": [figures(run) for run in runs]}
        sys.stdout.write(json.dumps(data) + "\n")
    else:
        Console().print(table(runs))


if __name__ == "__main__":
    raise SystemExit(main())
