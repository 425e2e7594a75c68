import json
import os
import subprocess
import sys

SOAK = os.environ.get("TENFOLD_SOAK") == "1"
COUNT, SEEDS = (10_000, (1, 2, 3)) if SOAK else (1000, (1,))
CODES = {"decoded", "unsupported_image_format", "too_many_pixels", "truncated_image", "invalid_image"}
GROWN_BYTES_MAX = 64 * 2**20
SLOWEST_S = 10.0


def test_no_mutated_image_breaks_the_decoder() -> None:
    """Each is a picture or one of the stated errors, as the gateway's look at its header allows; nothing grows."""
    for seed in SEEDS:
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.decode_mutants", str(seed), str(COUNT)],
            capture_output=True,
            text=True,
            timeout=1800 if SOAK else 110,
            check=False,
        )
        assert done.returncode == 0, f"seed {seed}: {done.stderr[-2000:]}"
        told = json.loads(done.stdout)
        assert set(told["outcomes"]) <= CODES, f"seed {seed}: {told}"
        assert told["outcomes"]["decoded"] > COUNT // 20
        assert told["grown_bytes"] < GROWN_BYTES_MAX
        assert told["slowest_s"] < SLOWEST_S
