import subprocess
import sys


def test_the_gateway_loads_no_torch() -> None:
    """A gateway process has no torch and no numpy in memory."""
    code = "import sys, gateway.__main__; print([m for m in ('torch', 'torchvision', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
