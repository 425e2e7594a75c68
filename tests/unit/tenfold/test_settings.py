import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenfold.contract.errors import SettingsError
from tenfold.settings import MIB, NAMES, Settings, unknown_variables, variable


def load(folder: Path, flags: dict[str, object] | None = None, **environ: str) -> Settings:
    return Settings.load(flags, environ, folder)


def test_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    """Without any source the figures of the documentation hold, and each says that it is a default."""
    settings = load(tmp_path)
    assert (settings.batch_size, settings.tick_ms, settings.idle_tick_ms) == (10, 20, 5)
    assert (settings.levels, settings.allotments, settings.quantum) == (3, (10, 50), 10)
    assert (settings.file_bytes_max, settings.body_bytes_max) == (10 * MIB, 256 * MIB)
    assert settings.queued_bytes_max == 2048 * MIB
    assert settings.redis_url is None
    assert set(settings.sources.values()) == {"default"}


def test_flag_beats_variable_beats_file_beats_default(tmp_path: Path) -> None:
    """The nearest source wins, and each setting knows which one that was."""
    (tmp_path / "tenfold.toml").write_text('port = 1\nhost = "127.0.0.2"\nbatch_size = 3\n')
    settings = load(tmp_path, {"port": 3, "model": None}, TENFOLD_PORT="2", TENFOLD_HOST="127.0.0.3")
    assert (settings.port, settings.host, settings.batch_size) == (3, "127.0.0.3", 3)
    assert settings.sources["port"] == "flag"
    assert settings.sources["host"] == "TENFOLD_HOST"
    assert settings.sources["batch_size"].endswith("tenfold.toml")
    assert settings.sources["model"] == "default"


def test_several_models_are_read_from_every_source_and_written_back(tmp_path: Path) -> None:
    """Models stand between semicolons, since commas belong to their names; flags and files list them."""
    fast, demo = "synthetic:base_ms=1,item_ms=1", "demo"
    assert load(tmp_path).model == (demo,)
    assert load(tmp_path, TENFOLD_MODEL=f"{fast}; {demo}").model == (fast, demo)
    assert load(tmp_path, {"model": [fast, demo]}).model == (fast, demo)
    (tmp_path / "tenfold.toml").write_text(f'model = ["{demo}", "{fast}"]\n')
    settings = load(tmp_path)
    assert settings.model == (demo, fast)
    assert Settings.load(environ=settings.environment(), folder=tmp_path / "empty").model == (demo, fast)
    with pytest.raises(SettingsError, match="TENFOLD_MODEL"):
        load(tmp_path, TENFOLD_MODEL=" ; ")


def test_config_variable_names_another_file(tmp_path: Path) -> None:
    """TENFOLD_CONFIG points at the file to read; one that is not there is an error, not a silence."""
    other = tmp_path / "other.toml"
    other.write_text("allotments = [5, 6, 7]\nlevels = 4\nopen = true\n")
    settings = load(tmp_path, TENFOLD_CONFIG=str(other))
    assert settings.allotments == (5, 6, 7)
    assert settings.open
    with pytest.raises(SettingsError, match="nowhere.toml"):
        load(tmp_path, TENFOLD_CONFIG=str(tmp_path / "nowhere.toml"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("BATCH_SIZE", "0"),
        ("LEVELS", "9"),
        ("ALLOTMENTS", "10,-1"),
        ("ALLOTMENTS", "10"),
        ("TICK_MS", "nan"),
        ("TICK_MS", "inf"),
        ("IDLE_TICK_MS", "21"),
        ("LEASE_S", "0"),
        ("CLIENT_SHARE_MAX", "0"),
        ("CLIENT_SHARE_MAX", "1.5"),
        ("FILE_BYTES_MAX", "10 apples"),
        ("FILE_BYTES_MAX", "257MiB"),
        ("DISPATCH", "sometimes"),
        ("DEVICE", "tpu"),
        ("REDIS_URL", "http://localhost"),
        ("KEY_PREFIX", "a b"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("OPEN", "perhaps"),
    ],
)
def test_wrong_value_is_named_with_what_is_allowed(tmp_path: Path, name: str, text: str) -> None:
    """A value that cannot be used is refused with the setting's name and what is allowed."""
    with pytest.raises(SettingsError, match=f"TENFOLD_{name} is .*(allowed|needed)"):
        Settings.load(environ={f"TENFOLD_{name}": text}, folder=tmp_path)


def test_unknown_line_of_the_file_suggests_the_nearest(tmp_path: Path) -> None:
    """A misspelt name in tenfold.toml is an error that says which name was meant."""
    (tmp_path / "tenfold.toml").write_text("batchsize = 3\n")
    with pytest.raises(SettingsError, match="batch_size"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "count"), [("1024", 1024), ("10MiB", 10 * MIB), ("1 kB", 1000), ("1.5k", 1536), ("2_048", 2048)]
)
def test_sizes_take_units(tmp_path: Path, text: str, count: int) -> None:
    """Bytes are written as a plain number or with a unit."""
    assert load(tmp_path, TENFOLD_FILE_BYTES_MAX=text).file_bytes_max == count


def test_fewer_levels_need_no_new_allotments(tmp_path: Path) -> None:
    """Where only the number of levels is given, the allotments follow it."""
    assert load(tmp_path, TENFOLD_LEVELS="2").allotments == (10,)
    with pytest.raises(SettingsError, match="TENFOLD_LEVELS is '1'.*at least 2"):
        load(tmp_path, TENFOLD_LEVELS="1")
    assert load(tmp_path, TENFOLD_LEVELS="4").allotments == (10, 50, 250)


def test_environment_hands_everything_to_a_child(tmp_path: Path) -> None:
    """What `environment()` says reads back as the same settings."""
    flags = {
        "redis_url": "unix:///tmp/x.sock",
        "port": 9,
        "open": True,
        "levels": 4,
        "tick_ms": 12.5,
        "api_keys": ["a", "b"],
        "trusted_proxies": ["10.0.0.1", "fd00::/8"],
        "queued_bytes_max": "3GiB",
        "data_dir": str(tmp_path / "data"),
    }
    settings = load(tmp_path, dict(flags))
    again = Settings.load(environ=settings.environment(), folder=tmp_path)
    assert again == settings


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """Neither a record's text nor an error shows a key or a password."""
    settings = load(tmp_path, TENFOLD_API_KEYS="hunter2", TENFOLD_REDIS_URL="redis://me:hunter2@h:1/0")
    assert "hunter2" not in repr(settings)
    assert settings.shown("redis_url") == "redis://me:***@h:1/0"
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, TENFOLD_REDIS_URL="hunter2")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "[::1]"])
def test_loopback_needs_no_keys(tmp_path: Path, host: str) -> None:
    """On an address that only this machine reaches, everyone is answered."""
    load(tmp_path, {"host": host}).require_safe_address()


def test_other_addresses_need_keys_or_a_word(tmp_path: Path) -> None:
    """An address that others reach is refused without keys, unless `open` is said."""
    with pytest.raises(SettingsError, match="--open"):
        load(tmp_path, {"host": "0.0.0.0"}).require_safe_address()
    load(tmp_path, {"host": "0.0.0.0", "open": True}).require_safe_address()
    load(tmp_path, {"host": "0.0.0.0", "api_keys": "k"}).require_safe_address()


def test_unknown_variables_are_found_with_the_nearest_name() -> None:
    """A misspelt variable is found, with the one that was probably meant."""
    assert unknown_variables({"TENFOLD_BATCHSIZE": "1", "TENFOLD_URL": "", "HOME": "/"}) == {
        "TENFOLD_BATCHSIZE": "TENFOLD_BATCH_SIZE"
    }


def test_every_setting_has_a_variable_of_its_own() -> None:
    """Names map to distinct TENFOLD_ variables."""
    assert len({variable(name) for name in NAMES}) == len(NAMES)


def test_process_with_a_wrong_value_ends_with_status_2(tmp_path: Path) -> None:
    """A process that reads a wrong value stops at once with one line and status 2."""
    ended = subprocess.run(
        [sys.executable, "-c", "from tenfold.settings import load_or_exit; load_or_exit()"],
        env={**os.environ, "TENFOLD_TICK_MS": "soon"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == "tenfold: TENFOLD_TICK_MS is 'soon' (from TENFOLD_TICK_MS); allowed: a number at least 0\n"
