"""`tenfold up`: the one-machine system."""

from typing import Annotated

import typer

from tenfold.cli import terminal
from tenfold.settings import Settings

EXAMPLES = terminal.examples(
    "tenfold up",
    "tenfold up --model best.pt --port 9000",
    "tenfold up --model demo --model best.safetensors --device cuda:0",
    "TENFOLD_API_KEYS=me:a-long-secret tenfold up --host 0.0.0.0",
)
Host = Annotated[str | None, typer.Option(help="The address to listen on.", show_default="127.0.0.1")]
Port = Annotated[int | None, typer.Option(help="The port to listen on; 0 takes a free one.", show_default="8000")]
Workers = Annotated[int | None, typer.Option(help="How many inference workers.", show_default="1")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.", show_default="auto")]
Model = Annotated[
    list[str] | None,
    typer.Option(help="A model's name or weights file; several, each with its --model.", show_default="demo"),
]
RedisUrl = Annotated[str | None, typer.Option(help="The Redis to use.", show_default="one of its own")]
DataDir = Annotated[str | None, typer.Option(help="What is kept lies here.", show_default="tenfold-data")]
Open = Annotated[bool, typer.Option("--open", help="Answer everyone on an address that others reach, without keys.")]
NoSample = Annotated[bool, typer.Option("--no-sample", help="Do not send the sample pictures.")]


def up(
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    device: Device = None,
    model: Model = None,
    redis_url: RedisUrl = None,
    data_dir: DataDir = None,
    open_: Open = False,
    no_sample: NoSample = False,
) -> None:
    """Start the whole system on this machine and keep it running until Ctrl-C.

    Without --redis-url it starts a Redis of its own. Every other setting comes from TENFOLD_* variables or a
    tenfold.toml; `tenfold doctor` shows them all.
    """
    from tenfold import local

    flags = {
        "host": host,
        "port": port,
        "workers": workers,
        "device": device,
        "model": model or None,
        "redis_url": redis_url,
        "data_dir": data_dir,
        "open": True if open_ else None,
    }
    raise typer.Exit(local.run(Settings.load(flags), sample=not no_sample))
