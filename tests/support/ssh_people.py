"""People who answer what waits at a real gateway, and real clients that wait there.

Votes go straight to its desk, as every door's do.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from support.gateway import PERMISSIVE, Gateway
from support.ssh_journey import (
    LIMIT_S,
    Answer,
    SshWay,
    environment,
    ssh_gateway,
    until,
    way_through,
)
from support.ssh_target import SshTarget

from gatekeep.app import Gateway as App
from gatekeep.app import ready_document
from gatekeep.domain.approvals import ApprovalRequest, RequestState, VoteVerdict
from gatekeep.domain.identity import Principal
from gatekeep.gate.approval_ports import Approvals, Ballot
from gatekeep.settings import load_settings

T = TypeVar("T")

ASKING = (
    PERMISSIVE
    + """
@id("touch-needs-sre") @why("an SRE looks at new files")
forbid(principal, action in [Action::"ssh.exec", Action::"ssh.line"], resource)
when { context.program == "touch" || context.program == "git-upload-pack" }
unless { context has approval && context.approval.groups.contains("sre") };

@id("writes-need-sre") @why("an SRE looks at files that are put here")
forbid(principal, action == Action::"sftp.write", resource)
unless { context has approval && context.approval.groups.contains("sre") };

@id("tunnels-need-sre") @why("what passes a tunnel is not looked into")
forbid(principal, action == Action::"tunnel.open", resource)
unless { context has approval && context.approval.groups.contains("sre") };
"""
)
SHELLS = (
    PERMISSIVE
    + """
@id("shells-need-sre") @why("lines are only as sure as they can be read")
forbid(principal, action == Action::"ssh.shell", resource)
unless { context has approval && context.approval.groups.contains("sre") };
"""
)


class Served:
    """A gateway of a configuration, in a thread of this process: its desk is at hand."""

    def __init__(self, configured: Gateway) -> None:
        self._configured = configured
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway")
        self._app: App | None = None

    def start(self) -> None:
        """Return once it serves."""
        self._configured._configure()
        self._thread.start()
        settings = load_settings(self._configured.config, {})
        self._app = self.wait(App.start(settings, dict(os.environ)))
        self._configured.ready = ready_document(self._app)

    def stop(self) -> None:
        """End it, and the thread."""
        if self._app is not None:
            self.wait(self._app.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT_S)
        self._loop.close()

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What this gives on the gateway's own loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(LIMIT_S)

    @property
    def front(self) -> Approvals:
        """The desk, as doors see it."""
        assert self._app is not None
        return self._app._parts.approvals.front

    def principal(self, name: str) -> Principal:
        """Somebody by name."""
        assert self._app is not None
        found = self._app._parts.directory.principal(name)
        assert found is not None
        return found


@dataclass
class People:
    """A gateway that asks, the way through it, and a directory for files of the target."""

    served: Served
    gateway: Gateway
    way: SshWay
    files: Path

    def pending(self) -> Sequence[ApprovalRequest]:
        """All that waits now, newest first."""
        return self.served.wait(self.served.front.requests(state=RequestState.PENDING))

    def asked(self) -> ApprovalRequest:
        """The request that waits, once one does."""
        until(self.pending, "a request waits")
        return self.pending()[0]

    def now(self, request: ApprovalRequest) -> ApprovalRequest:
        """The request as it stands."""
        found = self.served.wait(self.served.front.request(request.id))
        assert found is not None
        return found

    def ended(self, request: ApprovalRequest) -> str:
        """Its state once it is not pending any more."""
        until(lambda: self.now(request).state is not RequestState.PENDING, "it is decided")
        return self.now(request).state.value

    def approve(self, request: ApprovalRequest | None = None) -> ApprovalRequest:
        """Carol says yes to what waits."""
        return self._vote(request or self.asked(), VoteVerdict.APPROVE)

    def deny(self, reason: str = "not on a Friday") -> ApprovalRequest:
        """Carol says no to what waits."""
        return self._vote(self.asked(), VoteVerdict.DENY, reason)

    def _vote(
        self, request: ApprovalRequest, verdict: VoteVerdict, reason: str = ""
    ) -> ApprovalRequest:
        ballot = Ballot(verdict, request.digest, "cli", reason=reason)
        voter = self.served.principal("carol")
        cast = self.served.wait(self.served.front.cast(request.id, voter, ballot))
        assert cast.counted, cast.words
        return request

    @contextmanager
    def running(
        self, command: list[str], stdin: bytes = b"", more: dict[str, str] | None = None
    ) -> Iterator[Client]:
        """A client program that waits for its answer; its input given and ended."""
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**environment(), **(more or {})},
        )  # fmt: skip
        try:
            yield Client(process, stdin)
        finally:
            process.kill()
            process.wait(LIMIT_S)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


@dataclass
class Client:
    """A client program."""

    process: subprocess.Popen[bytes]
    stdin: bytes

    def answer(self) -> Answer:
        """What it ended with."""
        out, err = self.process.communicate(self.stdin, timeout=LIMIT_S)
        return Answer(self.process.returncode, out, err)


@contextmanager
def people(
    target: SshTarget, place: Path, *, policy: str = ASKING, hook: str = "off", open_s: float = 900.0
) -> Iterator[People]:
    """A gateway before this target: alice asks, bob and carol decide."""
    (place / "gateway").mkdir()
    (place / "files").mkdir()
    gateway = ssh_gateway(
        target, place / "gateway", policy=policy, target_extra={"shell_hook": hook},
        groups={"alice": "engineers", "bob": "sre", "carol": "sre"},
        extra_settings={"approvals": {"open_s": open_s, "after_denial_s": 1}},
    )  # fmt: skip
    served = Served(gateway)
    served.start()
    try:
        way = way_through(gateway, target, place / "way", None)
        yield People(served, gateway, way, place / "files")
    finally:
        served.stop()
