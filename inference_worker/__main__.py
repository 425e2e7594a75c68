"""``python -m inference_worker``: one inference worker. Any number may run."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import NoReturn

from inference_worker.choice import Choice
from inference_worker.memory import keep_freed_memory
from inference_worker.stopping import StopFlag
from tenfold.command_help import parser_of
from tenfold.contract.errors import SettingsError
from tenfold.logs import configure_logs
from tenfold.setting_kinds import listing, whole
from tenfold.settings import exit_for, load_or_exit

LEVELS = listing(whole(0), "whole numbers with commas between them, such as 0 or 0,1,2")

log = logging.getLogger("tenfold.worker")


def _parser() -> argparse.ArgumentParser:
    parser = parser_of(
        "worker",
        "Runs batches of images with its model resident.",
        "tenfold worker --redis-url redis://127.0.0.1:6379/0 --model best.safetensors --device cuda:0",
        "tenfold worker --redis-url redis://127.0.0.1:6379/0 --levels 0 --name urgent",
    )
    parser.add_argument("--name", default="worker", help="what it is called in queues, results and logs")
    parser.add_argument("--levels", type=LEVELS.flag, help="the levels it serves, such as 0 or 0,1,2 (default: all)")
    parser.add_argument(
        "--model",
        action="append",
        help="a model's name or a weights file; several, each with its --model (TENFOLD_MODEL)",
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (TENFOLD_DEVICE)")
    parser.add_argument(
        "--threads", type=whole(1).flag, help="threads that the model computes with on a CPU (default: every core)"
    )
    parser.add_argument("--redis-url", help="the Redis to use (TENFOLD_REDIS_URL)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Exit status 1 where it cannot serve, 2 where a setting is wrong."""
    flags = _parser().parse_args(arguments)
    settings = load_or_exit({name: getattr(flags, name) for name in ("model", "device", "redis_url")})
    configure_logs(settings.log_level, settings.log_format)
    choice = Choice(flags.name, flags.levels, flags.threads)
    try:
        choice.served(settings.levels)
        settings.require_redis_url()
    except SettingsError as error:
        exit_for(error)
    # Threads that wait for each other must sleep, not spin: with a busy neighbour (our own gateway is one) two spinning
    # threads ran a batch up to ten times slower than two sleeping ones. OpenMP reads this once, when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_freed_memory()
    # Torch is loaded only now, so that a wrong setting is told at once and a signal during the load is heeded.
    stop = StopFlag()
    stop.install(at_once=True)
    from inference_worker.detecting import DeviceLost
    from inference_worker.service import run

    try:
        run(settings, choice, stop)
    except SettingsError as error:
        exit_for(error)
    except DeviceLost as error:
        log.critical("the device is of no use to this process any more, so it ends: %s", error)
        return 1
    except ValueError as error:
        log.error("this cannot be served: %s", error)
        return 2
    return 0


def end_at_once(status: int) -> NoReturn:
    """End this process without taking the interpreter down.

    With torch loaded that costs more than a second of computing, for nothing: of a worker that has left, nothing is to
    be kept. On a machine where several stop at once and others compute, it took longer than the engine waits. A thread
    in which a model loads meanwhile could not be waited for at all.
    """
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    end_at_once(main())
