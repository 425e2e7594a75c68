"""An environment of the parity tests' own: the reference implementations, which Tenfold itself never needs.

It borrows torch and numpy from this environment and adds what the two packages import; nothing of it is installed here.
`TENFOLD_REFERENCE_PYTHON` names a Python that has them already.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "reference"
PACKAGES = (
    "ultralytics==8.4.190",
    "yolov5==7.0.14",
    "opencv-python-headless==5.0.0.93",
    "scikit-image==0.26.0",
    # What they import, each for itself: their own lists would bring another torch.
    *("contourpy", "cycler", "fonttools", "imageio", "kiwisolver", "lazy-loader", "matplotlib", "pandas", "polars"),
    *("polars-runtime-32", "pyparsing", "pytz", "pyyaml", "requests", "scipy", "seaborn", "setuptools<81", "six"),
    *("tifffile", "tqdm", "ultralytics-thop", "urllib3", "charset-normalizer"),
)


class NoReference(RuntimeError):
    """The reference implementations cannot be had here."""


def reference_python() -> Path:
    """The Python that has them; the environment is made on the first call. Raises NoReference."""
    named = os.environ.get("TENFOLD_REFERENCE_PYTHON")
    if named:
        return Path(named)
    python = FOLDER / "bin" / "python"
    whole = FOLDER / "whole"
    if not whole.exists():
        _run(sys.executable, "-m", "venv", "--clear", str(FOLDER))
        borrowed = FOLDER / sysconfig.get_path("purelib", vars={"base": ""}).lstrip("/") / "borrowed.pth"
        borrowed.write_text(f"{sysconfig.get_path('purelib')}\n")
        _run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", *PACKAGES)
        whole.touch()
    return python


def _run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise NoReference(f"{' '.join(command[:4])} … failed: {ended.stderr.strip()[-500:]}")
