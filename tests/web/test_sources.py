"""Where a request comes from: what a proxy says is believed only of proxies that are ours."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gatekeep.web.sources import Sources

PROXY = "192.0.2.10"


def request(remote: str, *forwarded: str) -> web.Request:
    """A request by this peer, with these headers."""
    headers = [("Host", "gw.example"), *(("X-Forwarded-For", one) for one in forwarded)]
    return make_mocked_request("GET", "/", CIMultiDict(headers)).clone(remote=remote)


@pytest.mark.parametrize(
    ("remote", "forwarded", "source"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),
        (PROXY, (), PROXY),
        (PROXY, ("203.0.113.9",), "203.0.113.9"),
        (PROXY, ("6.6.6.6, 203.0.113.9",), "203.0.113.9"),
        (PROXY, ("6.6.6.6", "203.0.113.9"), "203.0.113.9"),
        (PROXY, ("6.6.6.6, 203.0.113.9, 192.0.2.11",), "203.0.113.9"),
        (PROXY, ("203.0.113.9:4711",), "203.0.113.9"),
        (PROXY, ("[2001:db8::1]:4711",), "2001:db8::1"),
        (PROXY, ("::ffff:203.0.113.9",), "203.0.113.9"),
        (PROXY, ("6.6.6.6, unknown",), PROXY),
        (PROXY, ("",), PROXY),
        ("::ffff:192.0.2.10", ("203.0.113.9",), "203.0.113.9"),
    ],
)
def test_the_nearest_address_that_is_no_proxy_of_ours(
    remote: str, forwarded: tuple[str, ...], source: str
) -> None:
    """Nobody can name an address for himself by sending the header: only what our proxy added counts."""
    assert Sources(["192.0.2.0/24"]).source_of(request(remote, *forwarded)) == source


@pytest.mark.parametrize(
    ("remote", "protected"),
    [("127.0.0.1", True), ("::1", True), (PROXY, True), ("203.0.113.9", False), ("", False)],
)
def test_protected_is_this_machine_or_our_proxy(remote: str, *, protected: bool) -> None:
    """Anything else came in clear over a network."""
    assert Sources(["192.0.2.0/24"]).is_protected(request(remote)) is protected


def test_near_is_near() -> None:
    """A trusted proxy on this machine says itself whether it passes something on from afar."""
    ours = Sources(["127.0.0.0/8"])
    assert Sources().is_near(request("127.0.0.1"))
    assert not Sources().is_near(request("127.0.0.1", "127.0.0.1"))
    assert not ours.is_near(request("127.0.0.1", "203.0.113.9"))
    assert ours.is_near(request("127.0.0.1"))
    assert not ours.is_near(request("203.0.113.9"))
