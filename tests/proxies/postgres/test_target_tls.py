"""TLS towards targets: who is shown what, and what a target must show; real and hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.certificates import Authority
from support.loops import on_both_loops
from support.target_ways import connector, enter, packet, refused
from support.tls_target import TlsTarget, texts, way

from gatekeep.domain.targets import TargetTls
from gatekeep.protocols.postgres import messages
from gatekeep.proxies.postgres.pump import WireEnd
from gatekeep.proxies.postgres.target import Credential, Dial
from gatekeep.proxies.postgres.target_tls import ClientCertificate, ClientContexts

# --- client certificates, before a real PostgreSQL ---------------------------------------------


@on_both_loops
async def test_a_certificate_alone_signs_in(tls_target: TlsTarget) -> None:
    """The target asks for nothing else, and has proven itself by its name and CA."""
    dial = way(tls_target, shown=tls_target.clients["cert_user"])
    link = await enter(dial, "cert_user", auth="certificate", password="")
    assert link.tls is not None
    assert "PRIVATE KEY" not in repr(dial) + repr(link)


@on_both_loops
async def test_a_certificate_beside_the_password(tls_target: TlsTarget) -> None:
    """With `clientcert=verify-full` the target wants both, and gets both, bound to the channel."""
    dial = way(tls_target, shown=tls_target.clients["both_user"])
    assert (await enter(dial, "both_user", bound=True)).tls is not None
    assert "28000" in (await refused(way(tls_target), "both_user")).cause


@on_both_loops
async def test_a_certificate_opens_no_other_account(tls_target: TlsTarget) -> None:
    """Its name is another's, or its CA is not the target's: the target refuses."""
    other = way(tls_target, shown=tls_target.clients["both_user"])
    assert "28000" in (await refused(other, "cert_user", auth="certificate")).cause
    strange = way(tls_target, shown=tls_target.strange)
    fault = await refused(strange, "cert_user", auth="certificate")
    assert fault.answer is not None
    assert fault.answer.sqlstate == "08001"


@on_both_loops
async def test_a_certificate_is_no_proof_where_the_target_is_not_verified(
    tls_target: TlsTarget,
) -> None:
    """Whoever lets us in without a proof may be anybody, unless TLS says who."""
    for mode in (TargetTls.REQUIRE, TargetTls.VERIFY_CA):
        dial = way(tls_target, mode, shown=tls_target.clients["cert_user"])
        assert "without a proof" in (await refused(dial, "cert_user", auth="certificate")).cause
    bare = way(tls_target)
    assert "without a proof" in (await refused(bare, "trust_user", auth="certificate")).cause


@on_both_loops
async def test_no_password_goes_out_where_a_certificate_is_named(tls_target: TlsTarget) -> None:
    """A target that asks for one beside it is refused, whichever way it asks."""
    dial = way(tls_target, shown=tls_target.clients["cert_user"])
    for user in ("scram_user", "md5_user", "clear_user"):
        assert "beside the certificate" in (await refused(dial, user, auth="certificate")).cause


@on_both_loops
async def test_a_key_that_cannot_be_used_is_told_without_its_text(tls_target: TlsTarget) -> None:
    """Found before anything is sent."""
    ours, other = tls_target.clients["cert_user"], texts(tls_target.clients["both_user"])
    for key in (other.key, "", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"):
        shown = ClientCertificate(texts(ours).certificate, key)
        dial = Dial("orders", "127.0.0.1", tls_target.server.port, TargetTls.VERIFY_FULL,
                    tls_target.ca, shown=shown)  # fmt: skip
        fault = await refused(dial, "cert_user", auth="certificate")
        assert "c2VjcmV0" not in fault.cause
        assert fault.cause.startswith("SSLError")


@on_both_loops
async def test_a_cancel_shows_the_same_certificate(tls_target: TlsTarget) -> None:
    """The second connection is protected as the first one was."""
    async with connector() as made:
        dial = way(tls_target, shown=tls_target.clients["cert_user"])
        link = await made.connect(
            dial, Credential("cert_user", "", "certificate"), packet("cert_user")
        )
        await made.cancel(link)
        link.wire.abort()


def test_contexts_are_kept_while_their_files_are_the_same(tmp_path: Path) -> None:
    """A CA that was written anew is read anew; another certificate is another context."""
    authority = Authority(tmp_path)
    ca = str(authority.certificate)
    one, two = (texts(authority.issue(name, hosts=())) for name in ("one", "two"))
    contexts = ClientContexts()
    first = contexts.get(TargetTls.VERIFY_FULL, ca, one)
    assert contexts.get(TargetTls.VERIFY_FULL, ca, one) is first
    assert contexts.get(TargetTls.VERIFY_FULL, ca, two) is not first
    assert contexts.get(TargetTls.VERIFY_CA, ca, one) is not first
    Authority(tmp_path)
    assert contexts.get(TargetTls.VERIFY_FULL, ca, one) is not first


# --- direct TLS ----------------------------------------------------------------------------------


@asynccontextmanager
async def terminator(
    tls_target: TlsTarget, directory: Path, alpn: Sequence[str] = ("postgresql",)
) -> AsyncIterator[tuple[Dial, list[str]]]:
    """Speaks TLS from the first byte, as PostgreSQL 17 does, before a target in plain.

    Notes the names that clients asked for.
    """
    authority = Authority(directory)
    leaf = authority.issue("direct", hosts=("127.0.0.1", "localhost"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    asked: list[str] = []

    def note(_socket: object, name: str | None, _context: object) -> None:
        asked.append(name or "")

    context.sni_callback = note
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []

    async def relay(source: WireEnd, sink: WireEnd) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read():
                sink.write(data)
        sink.close()

    async def serve(client: WireEnd) -> None:
        _, server = await loop.create_connection(WireEnd, "127.0.0.1", tls_target.server.port)
        try:
            await asyncio.gather(relay(client, server), relay(server, client))
        finally:
            client.abort()
            server.abort()

    def met() -> WireEnd:
        client = WireEnd()
        tasks.append(loop.create_task(serve(client)))
        return client

    listening = await loop.create_server(met, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield Dial("orders", "localhost", port, TargetTls.VERIFY_FULL,
                   str(authority.certificate), direct=True), asked  # fmt: skip
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()


@on_both_loops
async def test_direct_tls_signs_in_and_names_the_host(
    tls_target: TlsTarget, tmp_path: Path
) -> None:
    """No question in plain comes first; the host's name is told for those who serve many."""
    async with terminator(tls_target, tmp_path) as (dial, asked):
        link = await enter(dial, "scram_user")
        assert link.tls is not None
        assert (link.tls.alpn, link.tls.version) == ("postgresql", "TLSv1.3")
        assert asked == ["localhost"]
        async with connector() as made:
            await made.cancel(link)
        assert asked == ["localhost"] * 2


@on_both_loops
async def test_channel_binding_that_is_required_and_not_offered(
    tls_target: TlsTarget, tmp_path: Path
) -> None:
    """Who takes TLS away before the target cannot bind the proof: refused where that is asked."""
    async with terminator(tls_target, tmp_path) as (dial, _):
        fault = await refused(dial, "scram_user", bound=True)
        assert "no channel binding" in fault.cause
    plain = way(tls_target, TargetTls.DISABLE)
    assert "no channel binding" in (await refused(plain, "scram_user", bound=True)).cause


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)], ids=["none", "another"])
@on_both_loops
async def test_direct_tls_to_what_speaks_something_else(
    alpn: Sequence[str], tls_target: TlsTarget, tmp_path: Path
) -> None:
    """Without the protocol's name agreed, a web server could be made to play the target."""
    async with terminator(tls_target, tmp_path, alpn) as (dial, _):
        fault = await refused(dial, "scram_user")
        assert fault.answer is not None
        assert fault.answer.primary == "gatekeep: orders does not answer"


@on_both_loops
async def test_direct_tls_to_a_target_that_does_not_know_it(tls_target: TlsTarget) -> None:
    """PostgreSQL before 17 takes it for a broken packet; what it says then is shown to nobody."""
    old = way(tls_target)
    fault = await refused(
        Dial("orders", old.host, old.port, old.tls, old.tls_ca, direct=True), "scram_user"
    )
    assert fault.answer is not None
    assert fault.answer.primary == "gatekeep: orders does not answer"


@on_both_loops
async def test_what_comes_before_direct_tls_is_not_believed() -> None:
    """An error in plain is no TLS, and its words go nowhere."""
    said = messages.fields_frame(b"E", [(b"S", b"FATAL"), (b"C", b"3D000"), (b"M", b"hostile")])

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.transport.abort()
        ended.set()

    ended = asyncio.Event()
    listening = await asyncio.start_server(play, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    fault = await refused(
        Dial("orders", "127.0.0.1", port, TargetTls.REQUIRE, direct=True), "scram_user"
    )
    assert "hostile" not in f"{fault.answer} {fault.cause}"
    await ended.wait()
    listening.close()
    await listening.wait_closed()
