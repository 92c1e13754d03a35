"""What `/metrics` tells, in Prometheus' text format; every process counts for itself."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mypost.engine.documents import Documents
from mypost.limits import Limiter

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
API = "/api/"
SCOPES = ("user", "workspace", "global")


class Engine(Collector):
    """What the engine has done, read when somebody asks."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents

    def collect(self) -> Iterator[Metric]:
        """Yields the engine's counters."""
        counts = self.documents.compiler.counts
        ran = CounterMetricFamily(
            "mypost_engine_operations",
            "Operations run, by a plan or by graphql-core.",
            labels=["by"],
        )
        ran.add_metric(["plan"], counts.compiled)
        ran.add_metric(["graphql-core"], counts.interpreted)
        yield ran
        cannot = CounterMetricFamily(
            "mypost_engine_unsupported", "Documents the engine does not compile.", labels=["reason"]
        )
        for reason, times in counts.unsupported.items():
            cannot.add_metric([reason], times)
        yield cannot
        for name, meaning, value in (
            ("plans", "Plans made.", counts.plans),
            (
                "given_up",
                "Queries that a plan gave up and graphql-core ran again.",
                counts.given_up,
            ),
            ("document_hits", "Documents found prepared.", counts.hits),
            ("document_misses", "Documents parsed and validated.", counts.misses),
        ):
            yield CounterMetricFamily(f"mypost_engine_{name}", meaning, value)
        held, size = self.documents.size
        yield GaugeMetricFamily("mypost_engine_documents", "Documents held prepared.", held)
        yield GaugeMetricFamily("mypost_engine_document_bytes", "What they weigh.", size)


class Limits(Collector):
    """What the rate limiter has refused, and whether it works with the other processes."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter

    def collect(self) -> Iterator[Metric]:
        """Yields the limiter's counters."""
        refused = CounterMetricFamily(
            "mypost_limits_refused", "Requests refused, by the window without room.", labels=["by"]
        )
        for scope in SCOPES:
            refused.add_metric([scope], self.limiter.refused[scope])
        yield refused
        yield GaugeMetricFamily(
            "mypost_limits_shared", "1 while Redis counts for every process.", self.limiter.shared
        )
        yield CounterMetricFamily(
            "mypost_limits_by_itself",
            "Requests this process has counted by itself: Redis was away.",
            self.limiter.by_itself,
        )


GAUGES = {
    "targets": ("state", "Targets between their claim and their end."),
    "oldest_overdue_seconds": (None, "How late the oldest target is that nothing holds."),
    "oldest_unknown_seconds": (None, "How long nobody has known of the oldest unknown target."),
    "held_lanes": ("reason", "Accounts with due posts that wait, by reason."),
    "breaker_open": ("network", "Networks that are left alone."),
    "quarantined": (None, "Whether nothing is sent until somebody recovers a restored database."),
}


class Publishing(Collector):
    """How publishing is doing in the whole installation: every process tells the same."""

    def __init__(self, rows: Iterable[tuple[str, str, float]]) -> None:
        self.rows = list(rows)

    def collect(self) -> Iterator[Metric]:
        """Yields a gauge for each name that the database told."""
        for name, (label, meaning) in GAUGES.items():
            gauge = GaugeMetricFamily(
                f"mypost_publishing_{name}", meaning, labels=[label] if label else []
            )
            for found, word, value in self.rows:
                if found == name:
                    gauge.add_metric([word] if label else [], value)
            yield gauge


class Metrics:
    """The metrics of one process."""

    def __init__(self, documents: Documents, limiter: Limiter) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(Engine(documents))
        self.registry.register(Limits(limiter))
        self._seconds = Histogram(
            "mypost_request_seconds", "Requests, by door and status.", ["door", "status"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self._observers: dict[tuple[str, int], Histogram] = {}

    def request(self, path: str, status: int, seconds: float) -> None:
        """Counts one request that has been answered."""
        door = "graphql" if path == "/graphql" else "rest" if path.startswith(API) else "other"
        observer = self._observers.get((door, status))
        if observer is None:
            observer = self._seconds.labels(door, str(status))
            self._observers[door, status] = observer
        observer.observe(seconds)

    def text(self, publishing: Iterable[tuple[str, str, float]] = ()) -> bytes:
        """Answers everything in the text format, with what the database tells of publishing."""
        told = CollectorRegistry()
        told.register(Publishing(publishing))
        return generate_latest(self.registry) + generate_latest(told)
