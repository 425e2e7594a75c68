import os
import subprocess
import sys
from pathlib import Path

from tenfold.services import MODULES, command_line


def run(*args: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run the service entry with a module of the test's own in front of the real ones."""
    code = "import sys; from tenfold import services; services.MODULES['probe'] = ('probe', 'worker'); "
    return subprocess.run(
        [sys.executable, "-c", code + "services.become(sys.argv[1], sys.argv[2:])", *args],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_service_runs_as_main_with_its_own_flags(tmp_path: Path) -> None:
    """A service's module runs as `__main__` and sees its flags alone."""
    (tmp_path / "probe.py").write_text("import sys; print(__name__, sys.argv)")
    assert run("probe", "--levels", "0", folder=tmp_path).stdout == "__main__ ['tenfold probe', '--levels', '0']\n"


def test_missing_extra_is_a_sentence(tmp_path: Path) -> None:
    """A service whose packages are not installed says which extra brings them."""
    (tmp_path / "probe.py").write_text("import a_package_that_is_not_there")
    ended = run("probe", folder=tmp_path)
    assert ended.returncode == 1
    assert "a_package_that_is_not_there" in ended.stderr
    assert "tenfold[worker]" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_command_line_names_the_service() -> None:
    """Each service's command line says what it is."""
    for name in MODULES:
        assert f"tenfold {name}" in " ".join(command_line(name, "--x"))
