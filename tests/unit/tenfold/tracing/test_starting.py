import subprocess
import sys

import pytest

from tenfold.tracing.starting import endpoint, start_tracing

HERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("environ", "where"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE}, HERE),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://other", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": HERE}, HERE),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_SDK_DISABLED": "true"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_TRACES_EXPORTER": "none"}, ""),
    ],
)
def test_spans_are_asked_for_by_an_endpoint(environ: dict[str, str], where: str) -> None:
    """An endpoint asks for spans, unless the SDK or its spans are switched off."""
    assert endpoint(environ) == where


def test_another_protocol_is_refused_in_words(caplog: pytest.LogCaptureFixture) -> None:
    """A collector that wants gRPC gets no spans, and the log says which protocol is spoken."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert start_tracing("gateway", environ=environ) is None
    assert "grpc" in caplog.text
    assert "http/protobuf" in caplog.text


def told_by(code: str, **environ: str) -> str:
    """What Python prints of `code`, on both streams, in a process with no variable of OpenTelemetry but these."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path), **environ},
    )
    return done.stdout + done.stderr


SERVICES = """
import sys
import gateway.__main__, scheduler.__main__, inference_worker.service
from gateway.app import create_app
from tenfold.settings import Settings
assert gateway.__main__._tracing() is gateway.__main__.UNTRACED
assert inference_worker.service._telling("w") is inference_worker.service.UNTRACED
create_app(Settings(redis_url="redis://127.0.0.1:1"))
heavy = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "google.protobuf", "requests", "tenfold.tracing.spans")
print([name for name in heavy if name in sys.modules])
"""


def test_nothing_is_loaded_that_nobody_asked_for() -> None:
    """Without an endpoint no service has what makes spans, what sends them or what these bring in memory.

    The API comes with FastAPI, and redis-py loads the SDK's metrics by itself where they are installed.
    """
    assert told_by(SERVICES).strip() == "[]"


WITHOUT_THE_EXTRA = """
import logging, sys
sys.modules["opentelemetry.exporter"] = None
logging.basicConfig(level="INFO")
from tenfold.tracing.starting import start_tracing
print(start_tracing("gateway"))
"""


def test_a_missing_extra_keeps_nothing_from_serving() -> None:
    """Where the packages are missing, the service goes on and its log names what to install."""
    told = told_by(WITHOUT_THE_EXTRA, OTEL_EXPORTER_OTLP_ENDPOINT=HERE)
    assert told.startswith("None")
    assert "pip install 'tenfold[otel]'" in told


EMPTY_ONES = """
import logging
logging.basicConfig(level="INFO")
from tenfold.tracing.starting import start_tracing
spans = start_tracing("gateway")
print(spans.provider.resource.attributes["service.name"], spans.provider.sampler.get_description())
"""


def test_an_empty_variable_is_one_that_was_not_given() -> None:
    """What compose passes on empty changes nothing: no warning, the default name and the default sampling."""
    empty = ("OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_SERVICE_NAME")
    told = told_by(EMPTY_ONES, OTEL_EXPORTER_OTLP_ENDPOINT=HERE, **dict.fromkeys(empty, ""))
    assert told.startswith("tenfold-gateway DecidedBefore{ParentBased{root:AlwaysOnSampler")
    assert "WARNING" not in told


def test_what_the_variables_say_is_obeyed() -> None:
    """A name of one's own stands in the place of the service's, and the sampler is the one asked for."""
    told = told_by(
        EMPTY_ONES,
        OTEL_EXPORTER_OTLP_ENDPOINT=HERE,
        OTEL_SERVICE_NAME="mine",
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0.25",
    )
    assert told.startswith("mine DecidedBefore{ParentBased{root:TraceIdRatioBased{0.25}")


def test_a_variable_that_cannot_be_read_keeps_nothing_from_serving() -> None:
    """A limit that is no number sends no spans and stops no service; the log says so."""
    told = told_by(
        "import logging\nlogging.basicConfig()\nfrom tenfold.tracing.starting import start_tracing\n"
        "print(start_tracing('gateway'))",
        OTEL_EXPORTER_OTLP_ENDPOINT=HERE,
        OTEL_SPAN_EVENT_COUNT_LIMIT="some",
    )
    assert told.startswith("None")
    assert "no spans are sent" in told
