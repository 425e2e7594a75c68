"""``python -m tests.audit``: whether anything that is installed is known to be vulnerable.

pip-audit asks the package index, and takes what the index does not know for fine. Where it could look up nothing at all
the audit is skipped, and says so: an empty answer is no good news.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

COMMAND = ("-m", "pip_audit", "--local", "--skip-editable", "--progress-spinner", "off", "--format", "json")
PATIENCE_S = 240.0
_UNREACHABLE = re.compile(r"ConnectionError|ServiceError|requests\.exceptions\.(SSLError|ProxyError|\w*Timeout)")


def report(found: Sequence[Mapping[str, Any]]) -> tuple[int, str]:
    """The exit status and the line for what pip-audit says of each package."""
    looked_up = [one for one in found if "skip_reason" not in one]
    if not looked_up:
        return 0, f"audit: SKIPPED, no data on vulnerabilities can be reached ({len(found)} packages not looked up)"
    vulnerable = [f"{one['name']} {one['version']}: {_fault(fault)}" for one in looked_up for fault in one["vulns"]]
    unknown = sorted(one["name"] for one in found if "skip_reason" in one)
    rest = f"; not known to the index: {', '.join(unknown)}" if unknown else ""
    if vulnerable:
        return 1, "audit: " + "\n       ".join(vulnerable) + rest
    return 0, f"audit: none of {len(looked_up)} packages is known to be vulnerable{rest}"


def without_an_answer(said: str) -> tuple[int, str]:
    """The exit status and the line where pip-audit ended with an error: no way to the data skips, all else fails.

    A proxy whose certificate nobody here trusts is no way either.
    """
    if _UNREACHABLE.search(said):
        return 0, "audit: SKIPPED, the data on vulnerabilities cannot be reached"
    return 1, f"audit: pip-audit failed\n{said[-2000:]}"


def _fault(fault: Mapping[str, Any]) -> str:
    mended = ", ".join(fault.get("fix_versions", ())) or "no version yet"
    return f"{fault['id']}, mended by {mended}"


def main() -> int:
    """Look and say; exit status 1 where something vulnerable is installed or pip-audit itself fails."""
    try:
        asked = subprocess.run(
            [sys.executable, *COMMAND], capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        print(f"audit: SKIPPED, the data on vulnerabilities did not come within {PATIENCE_S:g} s")
        return 0
    if asked.stdout.strip():
        status, line = report(json.loads(asked.stdout)["dependencies"])
    else:
        status, line = without_an_answer(asked.stderr)
    print(line)
    return status


if __name__ == "__main__":
    sys.exit(main())
