"""The health door: readiness, numbers, and who may ask."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from gatekeep.domain.decisions import Verdict
from gatekeep.web.door import HttpDoor, Served, door_app
from gatekeep.web.health import GatewayNumbers, Health, Readiness, metrics_page
from gatekeep.web.sources import Sources

READY = Readiness(journal_accepting=True, archivist_alive=True, policy_loaded=True, draining=False)


class Gauge:
    """What the gateway says of itself; tests turn it."""

    readiness = READY
    numbers = GatewayNumbers(events_total=7, statements={Verdict.DENY: 2}, refusals={"policy": 2})


@pytest.fixture
async def gauge() -> Gauge:
    """A gateway that is ready."""
    return Gauge()


@pytest.fixture
async def base(gauge: Gauge) -> AsyncIterator[str]:
    """The address of the health door."""
    health = Health(lambda: gauge.readiness, lambda: gauge.numbers)
    door = HttpDoor(door_app(health, Served(), Sources()), address="127.0.0.1", port=0)
    port = await door.start()
    yield f"http://127.0.0.1:{port}"
    await door.close()


@pytest.fixture
async def http(base: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of it."""
    async with aiohttp.ClientSession(base) as session:
        yield session


async def test_alive_and_ready(http: aiohttp.ClientSession) -> None:
    """A gateway that works says so on both addresses."""
    assert (await http.get("/healthz")).status == 200
    assert (await http.get("/readyz")).status == 200


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"journal_accepting": False}, "journal"),
        ({"archivist_alive": False}, "archivist"),
        ({"policy_loaded": False}, "policy"),
        ({"draining": True}, "draining"),
    ],
)
async def test_not_ready_names_what_is_missing(
    http: aiohttp.ClientSession, gauge: Gauge, change: dict[str, bool], word: str
) -> None:
    """Each of the four conditions alone makes /readyz 503, while /healthz stays 200."""
    gauge.readiness = replace(READY, **change)
    answer = await http.get("/readyz")
    assert answer.status == 503
    assert await answer.text() == f"not ready: {word}\n"
    assert (await http.get("/healthz")).status == 200


async def test_numbers_are_prometheus_text(http: aiohttp.ClientSession) -> None:
    """Every line is a comment or a sample with closed labels; every family has help and type."""
    answer = await http.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = await answer.text()
    assert 'gatekeep_statements_total{decision="deny"} 2\n' in text
    assert "gatekeep_events_total 7\n" in text
    for line in text.splitlines():
        assert re.fullmatch(
            r'# (HELP|TYPE) \S+ .+|gatekeep_[a-z_]+(\{[a-z]+="[a-z]+"\})? \d+', line
        ), line


def test_numbers_cannot_carry_foreign_words() -> None:
    """A label that is not spelt out in the code does not reach the page."""
    page = metrics_page(GatewayNumbers(refusals={'alice"} 1\nevil': 3}), READY)
    assert "alice" not in page
    assert "evil" not in page


@pytest.mark.parametrize("name", ["evil.example", "evil.example:80", "localhost.evil.example", ""])
async def test_a_foreign_name_is_refused(http: aiohttp.ClientSession, name: str) -> None:
    """DNS rebinding: a request for a name that is not ours gets nothing, on every address."""
    for path in ("/healthz", "/metrics", "/nowhere"):
        answer = await http.get(path, headers={"Host": name})
        assert answer.status == 421
        assert "gatekeep_" not in await answer.text()


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://localhost.evil.example"]
)
async def test_a_foreign_page_is_refused(http: aiohttp.ClientSession, origin: str) -> None:
    """A page of another origin gets nothing, even under our name."""
    assert (await http.get("/metrics", headers={"Origin": origin})).status == 403


async def test_our_own_names_are_served(http: aiohttp.ClientSession, base: str) -> None:
    """localhost, with a port or without, is ours; answers carry safe headers."""
    port = base.rsplit(":", 1)[1]
    for name in ("localhost", f"localhost:{port}", f"[::1]:{port}"):
        answer = await http.get("/healthz", headers={"Host": name, "Origin": f"http://{name}"})
        assert answer.status == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("given_to", "status"), [("off", 403), ("everywhere", 200)])
async def test_metrics_can_be_shut(given_to: str, status: int) -> None:
    """`off` shuts /metrics for everybody, and readiness goes on."""
    health = Health(lambda: READY, GatewayNumbers, given_to)
    door = HttpDoor(door_app(health, Served(), Sources()), address="127.0.0.1", port=0)
    port = await door.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/metrics")).status == status
        assert (await http.get("/readyz")).status == 200
    await door.close()


async def test_a_proxy_on_this_machine_is_not_near(http: aiohttp.ClientSession) -> None:
    """What a proxy passes on comes from this machine and is not: the numbers stay here."""
    for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        assert (await http.get("/metrics", headers={header: "127.0.0.1"})).status == 403


async def test_a_listed_name_and_page_are_served() -> None:
    """What the settings list as ours is served; the same name under another scheme is a page too."""
    app = door_app(
        Health(lambda: READY, GatewayNumbers), Served(), Sources(),
        names=["gw.example"], origins=["https://console.example"],
    )  # fmt: skip
    door = HttpDoor(app, address="127.0.0.1", port=0)
    port = await door.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        listed = {"Host": "gw.example", "Origin": "https://console.example"}
        assert (await http.get("/healthz", headers=listed)).status == 200
        other = {"Host": "gw.example", "Origin": "http://console.example"}
        assert (await http.get("/healthz", headers=other)).status == 403
        assert (await http.get("/healthz", headers=listed | {"Origin": "http://["})).status == 403
    await door.close()
