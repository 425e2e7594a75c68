"""What Prometheus itself says of its files, where `promtool` is installed; and what can be said without it."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

MONITORING = Path(__file__).parents[3] / "monitoring"
OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def promtool(*args: str) -> None:
    """Run it over a file of ours; skipped where it is not installed."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run(["promtool", *args], capture_output=True, text=True, check=False, cwd=MONITORING)
    assert done.returncode == 0, done.stdout + done.stderr


def loaded(name: str) -> Any:
    return yaml.safe_load((MONITORING / name).read_text())


def alerts() -> list[str]:
    return [rule["alert"] for group in loaded("alerts.yml")["groups"] for rule in group["rules"]]


@pytest.mark.parametrize(
    "check",
    [
        ("check", "config", "--syntax-only", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=["configuration", "rules", "alerts"],
)
def test_prometheus_takes_our_files(check: tuple[str, ...]) -> None:
    """Configuration and rules are valid, and each alert fires on what its cases say and on nothing else."""
    promtool(*check)


def test_each_alert_is_tried_both_ways_and_explained() -> None:
    """A case makes it fire, another holds it silent, and the operator's page says what to do about it."""
    cases = [one for test in loaded("alerts_test.yml")["tests"] for one in test["alert_rule_test"]]
    assert sorted(alerts()) == sorted({one["alertname"] for one in cases if one.get("exp_alerts")})
    assert set(alerts()) == {one["alertname"] for one in cases if not one.get("exp_alerts")}
    told = OPERATIONS.read_text()
    assert all(f"`{name}`" in told for name in alerts())


def test_somebody_is_woken_or_told() -> None:
    """Each alert says whom it is for, and in a sentence what is wrong."""
    rules = [rule for group in loaded("alerts.yml")["groups"] for rule in group["rules"]]
    assert {rule["labels"]["severity"] for rule in rules} == {"page", "ticket"}
    assert all(rule["annotations"]["summary"] for rule in rules)
