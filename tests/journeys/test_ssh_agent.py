"""Real agents, forwarded by a real ssh through a gateway to a real sshd, and what is signed by them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.gateway import PERMISSIVE, Gateway
from support.opened_journal import events
from support.ssh_door import CODE_SECRET, IN_BASE32
from support.ssh_journey import (
    LIMIT_S,
    Answer,
    SshWay,
    environment,
    finished,
    ssh_gateway,
    until,
    way_through,
)
from support.ssh_target import SshTarget, make_key

from gatekeep.identity.totp import STEP_S, code_at
from gatekeep.runtime.clock import SystemClock

pytestmark = pytest.mark.journey

LENDING = (
    PERMISSIVE
    + """
@id("agents-of-sre")
@why("they sign in at other hosts by their own keys")
permit(principal in Group::"sre", action == Action::"agent.forward", resource);
"""
)
NO_AGENT = b"Could not open a connection to your authentication agent."


@dataclass(frozen=True)
class Lent:
    """A gateway, a client's agent with one key, and an sshd that is no target of the gateway.

    Signed in already: alice, of `sre` and with a code. Her `ssh` shares that connection. bob is no
    `sre`; carol is, and has no second factor.
    """

    gateway: Gateway
    way: SshWay
    elsewhere: SshTarget
    folder: Path
    socket: Path
    steps: list[int]

    def on_the_target(self, command: str, *, limit_s: int = LIMIT_S) -> Answer:
        """What alice runs on the target, with her agent forwarded."""
        shared = ("-A", "-S", str(self.folder / "shared"), "-o", "ControlMaster=no")
        return finished(self.way.line("ssh", *shared, "web-1", command), limit_s=limit_s)

    def as_another(self, name: str, command: str) -> Answer:
        """The same for who signs in by a key alone."""
        who = ("-A", "-l", f"{name}+web-1", "-i", str(self.folder / name))
        offered = ("-o", f"IdentityAgent={self.socket}")
        return finished(self.way.line("ssh", *who, *offered, "web-1", command))

    def keys(self) -> bytes:
        """What the agent holds, asked where it is."""
        return finished(["ssh-add", "-l"], more={"SSH_AUTH_SOCK": str(self.socket)}).out

    def recorded(self, query: str) -> list[dict[str, Any]]:
        """Payloads of the events about agents that a search gives, oldest first."""
        return [event["payload"] for event in events(self.gateway, f"class:agent.forward {query}")]

    def signed(self) -> list[dict[str, Any]]:
        """The signatures that were released so far."""
        return [one for one in self.recorded("decision:allow") if "signs" in one]

    def signed_in_at(self, host: SshTarget, *options: str) -> str:
        """A command line for the target that signs in at another sshd, by the agent's key."""
        trusting = "-F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no"
        forgetting = "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        more = " ".join(options)
        who = f"-p {host.port} {host.account}@{host.host}"
        return f"ssh {trusting} {forgetting} {more} {who} echo signed-in"


@contextmanager
def agent_with(key: Path, socket: Path) -> Iterator[None]:
    """A real ssh-agent that holds a key, as long as this lasts."""
    running = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL, env=environment()
    )
    try:
        until(socket.exists, "the agent's socket")
        added = finished(["ssh-add", "-q", str(key)], more={"SSH_AUTH_SOCK": str(socket)})
        assert added.code == 0, added
        yield
    finally:
        running.terminate()
        running.wait(LIMIT_S)


def code_for(folder: Path, steps: list[int]) -> dict[str, str]:
    """What lets ssh give a code that was not used yet. `steps` are those of the codes that were."""
    now = SystemClock().wall_us() // 10**6 // STEP_S
    steps.append(max([now, *(step + 1 for step in steps)]))
    asked = folder / "askpass"
    asked.write_text(f"#!/bin/sh\necho {code_at(CODE_SECRET, steps[-1])}\n")
    asked.chmod(0o755)
    return {"SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force"}


@contextmanager
def shared_connection(way: SshWay, folder: Path, socket: Path, steps: list[int]) -> Iterator[None]:
    """Alice's connection, signed in by key and code, on which other clients open sessions."""
    place = folder / "shared"
    options = ("-A", "-M", "-N", "-S", str(place), "-o", "BatchMode=no")
    running = subprocess.Popen(
        way.line("ssh", *options, "-o", f"IdentityAgent={socket}", "web-1"),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        env={**environment(), **code_for(folder, steps)},
    )  # fmt: skip
    try:
        until(lambda: place.exists() or running.poll() is not None, "a shared connection")
        assert running.poll() is None
        yield
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(LIMIT_S)


@pytest.fixture(scope="module")
def lent(ssh_target: SshTarget) -> Iterator[Lent]:
    """All of it, once."""
    folder = Path(tempfile.mkdtemp(prefix="gk-a-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        elsewhere = SshTarget()
        stack.callback(elsewhere.stop)
        publics = {}
        for name in ("agent", "bob", "carol"):
            publics[name] = make_key(folder / name, name).with_suffix(".pub").read_text().strip()
        alone = folder / "alone"
        alone.mkdir()
        (alone / "agent.pub").write_text(publics["agent"])
        for host in (ssh_target, elsewhere):
            host.authorize(publics["agent"])
        (folder / "totp").write_text(IN_BASE32)
        (folder / "totp").chmod(0o600)
        (folder / "g").mkdir()
        hers = ssh_target.key.with_suffix(".pub").read_text().strip()
        gateway = ssh_gateway(
            ssh_target, folder / "g", policy=LENDING,
            groups={"alice": "sre", "bob": "engineers", "carol": "sre"},
            principal_keys={
                "alice": [hers, publics["agent"]], "bob": [publics["bob"]], "carol": [publics["carol"]],
            },
            principal_extra={"alice": {"totp": f"file:{folder / 'totp'}"}},
        )  # fmt: skip
        stack.callback(gateway.stop)
        gateway.start()
        way = way_through(gateway, ssh_target, folder / "w", None)
        socket, steps = folder / "agent.sock", list[int]()
        stack.enter_context(agent_with(folder / "agent", socket))
        stack.enter_context(shared_connection(way, folder, socket, steps))
        try:
            yield Lent(gateway, way, elsewhere, folder, socket, steps)
        except BaseException as error:
            error.add_note(f"the gateway's diagnostics:\n{gateway.log[-6000:]}")
            raise


def test_a_forwarded_agent_lists_its_keys(lent: Lent) -> None:
    """The target's ssh-add sees what the client's does; that it was lent is an event."""
    before = len(lent.recorded("decision:allow"))
    seen = lent.on_the_target("ssh-add -l")
    assert seen == Answer(0, lent.keys(), b"")
    assert b"(ED25519)" in seen.out
    assert len(lent.recorded("decision:allow")) == before + 1
    assert lent.recorded("decision:allow")[-1]["text"] == "auth-agent-req@openssh.com"


def test_who_does_not_offer_an_agent_has_none_on_the_target(lent: Lent) -> None:
    """Of the same person, on the same connection, where a command before had it.

    OpenSSH's sshd keeps its socket as long as the connection; what it opens then is refused here.
    """
    lent.on_the_target("true")
    shared = ("-a", "-S", str(lent.folder / "shared"), "-o", "ControlMaster=no")
    seen = finished(lent.way.line("ssh", *shared, "web-1", "ssh-add -l"))
    assert seen.code
    assert seen.out == b""
    faults = events(lent.gateway, "principal:alice kind:target.fault")
    assert {event["payload"]["what"] for event in faults} == {"channel auth-agent@openssh.com"}


def test_who_may_not_forward_has_no_agent_on_the_target(lent: Lent) -> None:
    """The command runs without; the record says that it was asked for."""
    seen = lent.as_another("bob", "ssh-add -l")
    assert seen.code == 2
    assert NO_AGENT in seen.err
    assert b"gatekeep" not in seen.err
    refused = lent.recorded("principal:bob decision:deny")
    assert [(one["cause"], one["mode"]) for one in refused] == [("policy", "agent")]
    assert lent.recorded("principal:bob decision:allow") == []


def test_who_has_no_second_factor_is_told_what_it_takes(lent: Lent) -> None:
    """A rule would permit it; who holds the agent could sign in by it alone."""
    seen = lent.as_another("carol", "ssh-add -l")
    assert seen.code == 2
    told = b"gatekeep: your agent is not forwarded: that needs a second factor at sign-in"
    assert told in seen.err.splitlines()
    assert [one["cause"] for one in lent.recorded("principal:carol decision:deny")] == [
        "no second factor"
    ]


def test_nothing_is_changed_in_the_agent(lent: Lent) -> None:
    """Keys are neither added nor removed, and it is not locked."""
    held = lent.keys()
    other = make_key(Path(tempfile.mkdtemp(dir=lent.folder)) / "other", "other")
    for command, text in {
        "ssh-add -D": "agent request 19",
        f"ssh-add -d {lent.folder}/alone/agent.pub": "agent request 18",
        f"ssh-add {other}": "agent request 17",
    }.items():
        seen = lent.on_the_target(command)
        assert seen.code, seen
        refused = lent.recorded("decision:deny principal:alice")
        assert (text, "not_offered") in {(one["text"], one["cause"]) for one in refused}
    assert lent.keys() == held


def test_a_text_is_signed_and_the_record_says_in_which_namespace(lent: Lent) -> None:
    """`ssh-keygen -Y sign` on the target; the signature is a right one."""
    before = len(lent.signed())
    made = lent.on_the_target(
        f"printf hello | ssh-keygen -Y sign -n deploys -f {lent.folder}/alone/agent.pub"
    )
    assert made.code == 0, made
    (lent.folder / "signature").write_bytes(made.out)
    public = (lent.folder / "agent.pub").read_text()
    (lent.folder / "signers").write_text(f"alice {public}")
    checked = finished(
        ["ssh-keygen", "-Y", "verify", "-f", str(lent.folder / "signers"), "-I", "alice",
         "-n", "deploys", "-s", str(lent.folder / "signature")],
        stdin=b"hello",
    )  # fmt: skip
    assert checked.code == 0, checked
    (signed,) = lent.signed()[before:]
    shown = finished(["ssh-keygen", "-l", "-f", str(lent.folder / "agent.pub")]).out.decode()
    assert signed["signs"] == {"key": shown.split()[1], "namespace": "deploys"}
    assert lent.recorded("deploys outcome:done")


def test_a_sign_in_elsewhere_is_signed_where_it_is_bound_to_its_host(lent: Lent) -> None:
    """At an sshd that is no target; the event names its host key."""
    before = len(lent.signed())
    seen = lent.on_the_target(lent.signed_in_at(lent.elsewhere))
    assert (seen.code, seen.out) == (0, b"signed-in\n"), seen
    (signed,) = lent.signed()[before:]
    shown = finished(["ssh-keygen", "-l", "-f", str(lent.elsewhere.directory / "host_key.pub")])
    assert signed["signs"]["host_key"] == shown.out.decode().split()[1]
    assert signed["signs"]["login"] == lent.elsewhere.account


def refused_as(lent: Lent, command: str, cause: str) -> None:
    """A sign-in from the target that fails, because nothing was signed for it."""
    before = len(lent.signed())
    seen = lent.on_the_target(command)
    assert seen.code == 255, seen
    assert b"signed-in" not in seen.out
    assert b"Permission denied" in seen.err
    assert lent.signed()[before:] == []
    assert lent.recorded("decision:deny principal:alice")[-1]["cause"] == cause


def test_a_sign_in_that_is_not_bound_to_a_host_is_not_signed(lent: Lent) -> None:
    """It would be good for any host, this gateway among them."""
    unbound = lent.signed_in_at(lent.elsewhere, "-o PubkeyAuthentication=unbound")
    refused_as(lent, unbound, "not host-bound")


def test_a_sign_in_at_a_target_is_not_signed(lent: Lent) -> None:
    """It would go around the record; the key itself would be let in there."""
    refused_as(lent, lent.signed_in_at(lent.way.target), "registered target")


def test_a_sign_in_at_the_gateway_is_not_signed(lent: Lent) -> None:
    """Whoever has the agent is not its owner."""
    port = lent.gateway.ssh_port
    command = lent.signed_in_at(lent.way.target).replace(
        f"-p {lent.way.target.port} {lent.way.target.account}@", f"-p {port} alice+web-1@"
    )
    refused_as(lent, command, "not host-bound")


def test_behind_the_jump_host_it_is_the_same(lent: Lent) -> None:
    """The inner session has the second factor of the outer sign-in, and the agent of its client."""
    outer = f"ssh -F {lent.way.config} -o BatchMode=no -W [%h]:%p hop"
    options = ("-A", "-o", f"IdentityAgent={lent.socket}", "-o", f"ProxyCommand={outer}")
    seen = finished(
        lent.way.line("ssh", *options, "inner", "ssh-add -l"), more=code_for(lent.folder, lent.steps)
    )
    assert (seen.code, seen.out) == (0, lent.keys()), seen


def test_the_log_holds_together(lent: Lent) -> None:
    """After all of it."""
    log = lent.gateway.verify()
    assert log.returncode == 0, log.stdout
