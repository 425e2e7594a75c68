"""What Prometheus reads of one gateway process: requests, how long they took, what was refused."""

from prometheus_client import CollectorRegistry, Counter, Histogram

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The counters of this process, in a registry of their own."""

    __slots__ = ("refusals", "registry", "requests", "seconds")

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tenfold_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "tenfold_http_request_seconds",
            "Time from the request's first byte to the answer's last.",
            ["method", "route"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.refusals = Counter(
            "tenfold_http_refusals",
            "Problem answers by their code; of these, 429 and 503 are for want of room.",
            ["code", "status"],
            registry=self.registry,
        )

    def count(self, method: str, route: str, status: int, took_s: float, code: str) -> None:
        """One request was answered; ``code`` is its problem's, or "" where it had none."""
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(took_s)
        if code:
            self.refusals.labels(code, str(status)).inc()
