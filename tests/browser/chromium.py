"""The browser of the tests: Debian's Chromium, driven by Playwright; nothing is downloaded."""

import os
import shutil
from typing import Final

# No sandbox: tests run as root in containers. The rest keeps it from talking to anybody but us.
FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


def executable() -> str | None:
    """The Chromium of this machine, or None; ``CHROMIUM`` names one."""
    for name in (os.environ.get("CHROMIUM", ""), "/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome"):
        if name and (found := shutil.which(name)):
            return found
    return None
