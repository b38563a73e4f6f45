"""Calls out: to what an operator wrote down, and to nothing that it leads to."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from support.certificates import Authority
from support.hook_catcher import hook_catcher

from gatekeep.notify.dialling import (
    MAX_ANSWER,
    Caller,
    GuardedResolver,
    NotDialled,
    fault_of,
    may_be_dialled,
)


class Names(AbstractResolver):
    """A resolver whose every name leads where the test says."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses."""
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=0)
            for one in self.addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fd00:ec2::254", "100.100.100.200", "127.0.0.1",
        "127.8.9.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "224.0.0.1", "ff02::1",  # noqa: S104 - what must not be dialled
        "168.63.129.16", "not an address",
    ],
)  # fmt: skip
async def test_a_name_leads_to_no_such_address(address: str) -> None:
    """Link-local, metadata, loopback, none and many: whatever the name's owner answers."""
    assert not may_be_dialled(address, near=False)
    with pytest.raises(NotDialled):
        await GuardedResolver(Names(address)).resolve("hooks.example", 443)


async def test_of_several_addresses_only_fit_ones_are_left() -> None:
    """A private network is fit: many endpoints stand there."""
    resolver = GuardedResolver(Names("169.254.169.254", "10.1.2.3", "2001:db8::5", "::1"))
    kept = await resolver.resolve("hooks.example", 443)
    assert [one["host"] for one in kept] == ["10.1.2.3", "2001:db8::5"]


async def test_localhost_leads_here_and_nowhere_else() -> None:
    """What may be called in clear stays on this machine, whatever is answered for its name."""
    kept = await GuardedResolver(Names("10.1.2.3", "127.0.0.1")).resolve("LocalHost.", 80)
    assert [one["host"] for one in kept] == ["127.0.0.1"]
    with pytest.raises(NotDialled):
        await GuardedResolver(Names("10.1.2.3")).resolve("localhost", 80)


@pytest.mark.parametrize("spelling", ["2852039166", "0xa9fea9fe", "169.254.43518", "0251.0376.1"])
async def test_odd_spellings_of_an_address_are_not_dialled(spelling: str) -> None:
    """The system may read them as the metadata address: refused as no URL, or for where they lead."""
    caller = Caller(limit_s=5)
    try:
        with pytest.raises((OSError, aiohttp.ClientError)) as caught:
            await caller.post(f"https://{spelling}/latest", b"{}", {})
        assert fault_of(caught.value) in {
            "its name leads nowhere that may be dialled", "not reached (InvalidUrlClientError)",
        }  # fmt: skip
    finally:
        await caller.close()


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    """Else an endpoint could send us, with a signed body, wherever it likes."""
    async with hook_catcher() as there, hook_catcher() as elsewhere:
        there.statuses, there.headers = [307], {"Location": elsewhere.url}
        caller = Caller()
        answered = await caller.post(there.url, b"{}", {})
        await caller.close()
        assert (answered.status, answered.good) == (307, False)
        assert (len(there.calls), len(elsewhere.calls)) == (1, 0)


async def test_a_silent_endpoint_is_left_in_time() -> None:
    """It costs its limit and nothing more."""
    async with hook_catcher() as there:
        there.silent = True
        caller = Caller(limit_s=0.2)
        with pytest.raises(TimeoutError) as caught:
            await caller.post(there.url, b"{}", {})
        assert fault_of(caught.value) == "no answer in time"
        await caller.close()


async def test_an_answer_that_trickles_is_left_in_time_too() -> None:
    """The limit is for all of it, not for each piece."""

    async def trickle(request: web.Request, _body: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    async with hook_catcher() as there:
        there.answer = trickle
        caller = Caller(limit_s=0.2)
        with pytest.raises(TimeoutError):
            await caller.post(there.url, b"{}", {}, read=True)
        await caller.close()


async def test_an_endless_answer_is_not_kept() -> None:
    """Whatever it holds."""

    async def endless(request: web.Request, _body: bytes) -> web.StreamResponse:
        return web.Response(body=b"x" * (MAX_ANSWER + 1))

    async with hook_catcher() as there:
        there.answer = endless
        caller = Caller()
        with pytest.raises(aiohttp.ClientPayloadError):
            await caller.post(there.url, b"{}", {}, read=True)
        assert (await caller.post(there.url, b"{}", {})).body == b""
        await caller.close()


@pytest.mark.parametrize(("said", "again_s"), [("7", 7), ("99999", 99_999), ("-1", 0), ("soon", 0)])
async def test_what_an_endpoint_asks_to_wait_is_heard(said: str, again_s: float) -> None:
    """In seconds only."""
    async with hook_catcher() as there:
        there.statuses, there.headers = [429], {"Retry-After": said}
        caller = Caller()
        assert (await caller.post(there.url, b"{}", {})).again_s == again_s
        await caller.close()


async def test_certificates_are_verified(tmp_path: Path) -> None:
    """A CA that nobody told us of signs nothing for us; one that we trust does."""
    authority = Authority(tmp_path)
    files = authority.issue("there")
    context = _context(files.certificate, files.key)
    app = web.Application()
    app.router.add_post("/", _fine)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://localhost:{runner.addresses[0][1]}/"
    stranger, friend = Caller(), Caller(trust=Authority.client_context(authority.certificate, ""))
    try:
        with pytest.raises(aiohttp.ClientError) as caught:
            await stranger.post(url, b"{}", {})
        assert fault_of(caught.value) == "its certificate is not trusted"
        assert (await friend.post(url, b"{}", {})).good
    finally:
        await stranger.close()
        await friend.close()
        await runner.cleanup()


async def _fine(_request: web.Request) -> web.Response:
    return web.Response()


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_nobody_there_is_told_in_few_words() -> None:
    """Nothing of the address."""
    caller = Caller()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(aiohttp.ClientError) as caught:
            await caller.post(f"http://127.0.0.1:{port}/", b"{}", {})
    assert str(port) not in fault_of(caught.value)
    await caller.close()


async def test_a_closed_caller_opens_nothing() -> None:
    """What still looks at the clock while the gateway stops gets an error, not a connection."""
    caller = Caller()
    await caller.close()
    with pytest.raises(NotDialled, match="stops"):
        await caller.post("http://127.0.0.1:1/", b"", {})
