"""An environment for each peer: its own packages, with ours behind them, so that there is one torch on the disk."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / ".venvs"
SHARED = "shared_packages.pth"


def python_of(name: str, packages: tuple[str, ...]) -> Path:
    """The interpreter of the environment called ``name``, made now unless it was; ours where nothing is needed.

    Raises CalledProcessError where the packages cannot be installed.
    """
    if not packages:
        return Path(sys.executable)
    folder = FOLDER / name
    python = folder / "bin" / "python"
    done = folder / SHARED
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        with (folder / "install.log").open("wb") as log:
            subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
        # A path file's folders come after the environment's own, so that the peer's versions win.
        packages_folder = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
        (packages_folder / SHARED).write_text(f"{sysconfig.get_path('purelib')}\n")
        done.touch()
    return python


def version_of(python: Path, package: str) -> str:
    """The version of ``package`` that ``python`` sees."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
