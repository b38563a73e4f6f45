"""What the HTTP door says without a sign-in: /healthz, /readyz and /metrics.

Says numbers and fixed words only: never a principal, a target, a rule or a statement. Every
metric and label is spelt out in this file, so nothing else can reach the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from gatekeep.domain.decisions import Verdict
from gatekeep.web.hosts import problem
from gatekeep.web.sources import Sources

_TEXT_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Readiness:
    """What must hold before traffic is sent here; all four, or /readyz answers 503."""

    journal_accepting: bool
    archivist_alive: bool
    policy_loaded: bool
    draining: bool

    def missing(self) -> list[str]:
        """The fixed words for what does not hold; empty when ready."""
        facts = (
            (self.journal_accepting, "journal"),
            (self.archivist_alive, "archivist"),
            (self.policy_loaded, "policy"),
            (not self.draining, "draining"),
        )
        return [word for holds, word in facts if not holds]


@dataclass(frozen=True, slots=True)
class GatewayNumbers:
    """What /metrics shows, read at the moment of the request.

    Totals count since start. `journal_lag_events` is how many durable events the archivist has
    not yet taken into the tree; `journal_pending_events` are appended and not yet durable.
    `refusals` counts statements that were not forwarded, by cause.
    """

    events_total: int = 0
    statements: Mapping[Verdict, int] = field(default_factory=dict)
    refusals: Mapping[str, int] = field(default_factory=dict)
    sessions_live: int = 0
    sessions_total: int = 0
    sign_in_failures_total: int = 0
    journal_batches_total: int = 0
    journal_batched_events_total: int = 0
    journal_last_batch_events: int = 0
    journal_pending_events: int = 0
    journal_lag_events: int = 0


REFUSAL_CAUSES: Final = ("policy", "journal", "protocol")


def metrics_page(numbers: GatewayNumbers, readiness: Readiness) -> str:
    """The Prometheus text exposition format, version 0.0.4."""
    return "".join(_families(numbers, readiness))


@dataclass(frozen=True, slots=True)
class Health:
    """What the door says of this gateway, and who may read the numbers.

    `metrics_for` is `loopback`, `everywhere`, or `off`.
    """

    readiness: Callable[[], Readiness]
    numbers: Callable[[], GatewayNumbers]
    metrics_for: str = "loopback"


def add_health_routes(app: web.Application, health: Health, sources: Sources) -> None:
    """/healthz, /readyz and /metrics."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        missing = health.readiness().missing()
        if missing:
            return web.Response(status=503, text="not ready: " + " ".join(missing) + "\n")
        return web.Response(text="ready\n")

    async def metrics(request: web.Request) -> web.Response:
        whom = health.metrics_for
        if whom == "off" or (whom == "loopback" and not sources.is_near(request)):
            return problem(403, "metrics are not for you", why=f"metrics: {whom}")
        page = metrics_page(health.numbers(), health.readiness())
        return web.Response(body=page.encode(), headers={"Content-Type": _TEXT_FORMAT})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


def _families(numbers: GatewayNumbers, readiness: Readiness) -> Iterator[str]:
    yield _family(
        "gatekeep_ready",
        "gauge",
        "1 when new sessions are taken.",
        [("", 0 if readiness.missing() else 1)],
    )
    yield _family(
        "gatekeep_events_total", "counter", "Events made durable.", [("", numbers.events_total)]
    )
    yield _family(
        "gatekeep_statements_total",
        "counter",
        "Statements judged, by decision.",
        [(f'{{decision="{v.value}"}}', numbers.statements.get(v, 0)) for v in Verdict],
    )
    yield _family(
        "gatekeep_refusals_total",
        "counter",
        "Statements not forwarded, by cause.",
        [(f'{{cause="{c}"}}', numbers.refusals.get(c, 0)) for c in REFUSAL_CAUSES],
    )
    for name, kind, meaning in _PLAIN:
        yield _family(f"gatekeep_{name}", kind, meaning, [("", getattr(numbers, name))])


_PLAIN: Final = (
    ("sessions_live", "gauge", "Sessions open now."),
    ("sessions_total", "counter", "Sessions opened."),
    ("sign_in_failures_total", "counter", "Sign-ins refused."),
    ("journal_batches_total", "counter", "Group commits of the journal."),
    ("journal_batched_events_total", "counter", "Events in those commits."),
    ("journal_last_batch_events", "gauge", "Events in the latest commit."),
    ("journal_pending_events", "gauge", "Events appended and not yet durable."),
    ("journal_lag_events", "gauge", "Durable events not yet in the tree."),
)


def _family(name: str, kind: str, meaning: str, samples: list[tuple[str, int]]) -> str:
    lines = [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{labels} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"
