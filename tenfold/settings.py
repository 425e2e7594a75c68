"""Every setting of every process: its name, kind, default and meaning in one frozen record.

A process reads them once at its entry with `Settings.load()` (or `load_or_exit()`) and passes them down. Sources, the
first that names a setting wins: flags, `TENFOLD_*` variables, `tenfold.toml` (in the working folder, or where
`TENFOLD_CONFIG` points), defaults. Nothing here reads the environment at import.
"""

import difflib
import ipaddress
import os
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeVar, cast

from tenfold.contract.errors import SettingsError
from tenfold.setting_kinds import FLAG, NETWORK, PATH, Kind, choice, listing, matching, number, optional, size, whole

T = TypeVar("T")

MIB, GIB = 2**20, 2**30
PREFIX: Final = "TENFOLD_"
CONFIG_NAME: Final = "tenfold.toml"
# Variables that belong to the commands and to start-up, not to the services.
CLIENT_VARIABLES: Final = frozenset({"TENFOLD_URL", "TENFOLD_API_KEY", "TENFOLD_CONFIG"})
SECRET: Final = frozenset({"api_keys", "redis_url"})

_MS = number(0)
_COUNT = whole(1)
_TEXT = matching(r"\S(.*\S)?", "a text that is not empty")


def _setting(kind: Kind[T], default: T, about: str) -> T:
    # Typed as its value, as `dataclasses.field` is: the class body below then reads like the record it describes.
    return field(default=default, metadata={"kind": kind, "about": about})


def _default_spool_dir() -> Path:
    return Path(tempfile.gettempdir())


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, validated. Units stand last in each name: `_ms`, `_s`, `_bytes_max`, `_items_max`."""

    # The system and where it listens
    redis_url: str | None = _setting(
        optional(matching(r"(redis|rediss|unix)://\S+", "a redis://, rediss:// or unix:// URL")),
        None,
        "the Redis to use; without one, `tenfold up` starts its own",
    )
    key_prefix: str = _setting(
        matching(r"[A-Za-z0-9_.:-]{1,64}", "1 to 64 of letters, digits and _ . : -"), "tenfold:", "before every key"
    )
    host: str = _setting(_TEXT, "127.0.0.1", "the address that the gateway listens on")
    port: int = _setting(whole(0, 65535), 8000, "the port that the gateway listens on; 0 takes a free one")
    open: bool = _setting(FLAG, False, "answer everyone on an address that others can reach, without keys")
    workers: int = _setting(whole(1, 256), 1, "how many inference workers `tenfold up` starts")
    data_dir: Path = _setting(PATH, Path("tenfold-data"), "what `tenfold up` keeps: Redis' files and the samples")
    log_level: str = _setting(choice("debug", "info", "warning", "error"), "info", "how much the services tell")
    log_format: str = _setting(choice("text", "json"), "text", "how the services log: for people, or an object a line")

    # What runs
    model: tuple[str, ...] = _setting(
        listing(_TEXT, "models' names or weights files, with ; between them", separator=";", least=1),
        ("demo",),
        "models' names or weights files, the default first, with ; between them; synthetic:base_ms=5,item_ms=2 is one",
    )
    device: str = _setting(matching(r"auto|cpu|cuda(:\d+)?", "auto, cpu, cuda or cuda:N"), "auto", "where it computes")
    batch_size: int = _setting(whole(1, 1024), 10, "items in a batch, at most")

    # The scheduler
    levels: int = _setting(whole(2, 8), 3, "priorities of the feedback queue; 0 is the most urgent")
    allotments: tuple[int, ...] = _setting(
        listing(_COUNT, "one whole number above 0 for each level but the last, between commas"),
        (10, 50),
        "items served at a level before a job sinks to the next",
    )
    quantum: int = _setting(_COUNT, 10, "items of one client in a turn of the ring")
    tick_ms: float = _setting(_MS, 20.0, "the longest that an item waits for a batch to fill while a worker is free")
    idle_tick_ms: float = _setting(_MS, 5.0, "a partial batch goes when nothing further came for this long")
    dispatch: str = _setting(
        choice("adaptive", "tick"), "adaptive", "when a partial batch goes: at once, or on the tick"
    )
    boost_after_ms: float = _setting(number(0, above=True), 2000.0, "a job that waited this long goes to level 0")
    client_lead_ms: float = _setting(_MS, 500.0, "service by which one client may be ahead before it is held down")
    lease_s: float = _setting(number(1), 15.0, "a worker that has not beaten for this long has lost its batch")
    batch_timeout_s: float = _setting(number(0, above=True), 60.0, "a batch that computes longer ends its worker")
    grace_s: float = _setting(_MS, 25.0, "how long an orderly stop may take")

    # Admission and limits
    queued_items_max: int = _setting(_COUNT, 20_000, "images queued, of everybody")
    queued_bytes_max: int = _setting(size(), 2 * GIB, "bytes queued, of everybody")
    durability: str = _setting(
        choice("normal", "strict"), "normal", "strict: a job is accepted once Redis has it on the disk (Redis 7.2)"
    )
    client_share_max: float = _setting(number(0, 1, above=True), 0.5, "the part of these that one client may fill")
    file_bytes_max: int = _setting(size(), 10 * MIB, "the size of one file")
    body_bytes_max: int = _setting(size(), 256 * MIB, "the size of one request's body")
    images_per_job_max: int = _setting(_COUNT, 10_000, "images in one job")
    open_jobs_max: int = _setting(_COUNT, 100, "jobs of one client that are open for more images")
    open_job_s: float = _setting(number(1), 600.0, "an open job to which nothing was added for this long is closed")
    pixels_max: int = _setting(_COUNT, 50_000_000, "pixels of one image, checked before it is decoded")
    value_bytes_max: int = _setting(size(), MIB, "the size of one value")
    stored_values_bytes_max: int = _setting(size(), 256 * MIB, "bytes of all values with their keys")
    queued_values_max: int = _setting(_COUNT, 100_000, "values that wait to be generated, of everybody")
    wait_s: float = _setting(_MS, 30.0, "how long a detect request waits for its results unless it says otherwise")
    spool_dir: Path = field(
        default_factory=_default_spool_dir,
        metadata={"kind": PATH, "about": "where archives that need seeking are kept while they are read"},
    )

    # What is kept, and for how long
    result_ttl_s: float = _setting(number(1), 86_400.0, "how long results stay")
    result_bytes_max: int = _setting(size(), GIB, "bytes of results; beyond, the oldest finished job's go first")
    keep_images_s: float = _setting(_MS, 600.0, "how long an image stays after its result")
    kept_bytes_max: int = _setting(size(0), 256 * MIB, "bytes of such images; beyond, the oldest go first")

    # Who may ask
    api_keys: tuple[str, ...] = _setting(listing(_TEXT, "keys between commas"), (), "the keys that are answered")
    public_status: bool = _setting(
        FLAG, True, "with keys on, show the system's figures without one: depths, rates, workers, no job or client"
    )
    trusted_proxies: tuple[str, ...] = _setting(
        listing(NETWORK, "IP addresses or networks between commas"), (), "whose forwarded headers count"
    )

    # setting -> "flag", "TENFOLD_X", "tenfold.toml" or "default"; no setting itself
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SettingsError unless the settings fit each other."""
        if len(self.allotments) != self.levels - 1:
            raise SettingsError(
                f"TENFOLD_ALLOTMENTS is {','.join(map(str, self.allotments)) or 'empty'} with {self.levels} levels: "
                "one number is needed for each level but the last"
            )
        if self.idle_tick_ms > self.tick_ms:
            raise SettingsError(
                f"TENFOLD_IDLE_TICK_MS is {self.idle_tick_ms:g}: at most TENFOLD_TICK_MS ({self.tick_ms:g}) is allowed"
            )
        if self.file_bytes_max > self.body_bytes_max:
            raise SettingsError(
                f"TENFOLD_FILE_BYTES_MAX is {self.file_bytes_max}: at most TENFOLD_BODY_BYTES_MAX "
                f"({self.body_bytes_max}) is allowed"
            )

    def __repr__(self) -> str:
        """All settings but the secret ones, whose text is hidden."""
        return f"Settings({', '.join(f'{name}={self.shown(name)}' for name in NAMES)})"

    @classmethod
    def load(
        cls,
        flags: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> "Settings":
        """Read the settings from all sources.

        `flags` maps setting names to values, None meaning that the flag was not given; `environ` stands for
        `os.environ`, `folder` for the working folder. Raises SettingsError.
        """
        environ = os.environ if environ is None else environ
        found: dict[str, tuple[str, str]] = {}
        found.update(_from_file(environ, folder or Path()))
        found.update(_from_environment(environ))
        found.update(
            {name: (_as_text(name, value), "flag") for name, value in (flags or {}).items() if value is not None}
        )
        values = {name: _read(name, text, source) for name, (text, source) in found.items()}
        if "levels" in values and "allotments" not in values:
            values["allotments"] = tuple(10 * 5**level for level in range(values["levels"] - 1))
        sources = {name: found[name][1] if name in found else "default" for name in NAMES}
        return cls(**values, sources=MappingProxyType(sources))

    def environment(self) -> dict[str, str]:
        """These settings as `TENFOLD_*` variables, for the processes that this one starts."""
        texts = {variable(name): kind_of(name).write(getattr(self, name)) for name in NAMES}
        return {name: text for name, text in texts.items() if text or name not in _EMPTY_BY_DEFAULT}

    def shown(self, name: str) -> str:
        """A setting's value as text for people; secret ones are counted or masked, never shown."""
        value = getattr(self, name)
        if name == "api_keys":
            return f"{len(value)} keys" if value else ""
        if name == "redis_url" and value is not None:
            return mask_password(value)
        return kind_of(name).write(value) if value is not None else ""

    def require_redis_url(self) -> str:
        """The Redis URL, for a process that cannot do without. Raises SettingsError where there is none."""
        if self.redis_url is None:
            raise SettingsError("TENFOLD_REDIS_URL is not set: a redis://, rediss:// or unix:// URL is needed")
        return self.redis_url

    def require_safe_address(self) -> None:
        """Raise SettingsError where others could reach a gateway that asks for no key, unless `open` says so."""
        if not (self.api_keys or self.open or _is_loopback(self.host)):
            raise SettingsError(
                f"TENFOLD_HOST is {self.host} and there are no TENFOLD_API_KEYS: without keys only a loopback address "
                "is allowed; set keys, or say --open (TENFOLD_OPEN=true) to answer everyone"
            )


_FIELDS: Final[Mapping[str, "Field[Any]"]] = {f.name: f for f in fields(Settings) if "kind" in f.metadata}
NAMES: Final = tuple(_FIELDS)


def kind_of(name: str) -> Kind[Any]:
    """The kind of the setting called `name`."""
    return cast("Kind[Any]", _FIELDS[name].metadata["kind"])


def about(name: str) -> str:
    """What the setting called `name` means, in one line."""
    return cast("str", _FIELDS[name].metadata["about"])


def variable(name: str) -> str:
    """The environment variable of the setting called `name`."""
    return PREFIX + name.upper()


_EMPTY_BY_DEFAULT: Final = frozenset(variable(name) for name in ("redis_url", "api_keys", "trusted_proxies"))


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """`TENFOLD_*` variables that name no setting, each with the nearest one that does ("" where none is near)."""
    known = [variable(name) for name in NAMES]
    strange = (v for v in environ if v.startswith(PREFIX) and v not in known and v not in CLIENT_VARIABLES)
    return {v: next(iter(difflib.get_close_matches(v, known, n=1)), "") for v in strange}


def load_or_exit(flags: Mapping[str, object] | None = None) -> Settings:
    """`Settings.load` for a process's entry: a wrong value is one line on stderr and exit status 2."""
    try:
        return Settings.load(flags)
    except SettingsError as error:
        exit_for(error)


def exit_for(error: SettingsError) -> NoReturn:
    """End the process as a wrong setting does: one line on stderr, exit status 2."""
    print(f"tenfold: {error}", file=sys.stderr)  # noqa: T201 - the process ends here, before any logging is set up
    raise SystemExit(2)


def mask_password(url: str) -> str:
    """A URL with its password, if it has one, replaced by `***`."""
    scheme, _, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    user = credentials.partition(":")[0]
    return f"{scheme}://{user}:***@{place}" if at else url


def _from_file(environ: Mapping[str, str], folder: Path) -> dict[str, tuple[str, str]]:
    named = environ.get("TENFOLD_CONFIG")
    path = Path(named) if named else folder / CONFIG_NAME
    if not named and not path.exists():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    for name in table:
        if name not in _FIELDS:
            near = difflib.get_close_matches(name, NAMES, n=1)
            raise SettingsError(f"{path} names {name!r}, which is no setting" + (f"; {near[0]}?" if near else ""))
    return {name: (_as_text(name, value), str(path)) for name, value in table.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    given = ((name, variable(name)) for name in NAMES)
    # An empty variable is a variable that was not given: compose passes `${X:-}` so.
    return {name: (environ[var], var) for name, var in given if environ.get(var, "") != ""}


def _as_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return kind_of(name).separator.join(_as_text(name, part) for part in value)
    return str(value)


def _read(name: str, text: str, source: str) -> Any:
    kind = kind_of(name)
    try:
        return kind.read(text)
    except ValueError as error:
        shown = "***" if name in SECRET else repr(text)
        raise SettingsError(f"{variable(name)} is {shown} (from {source}); allowed: {kind.allowed}") from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
