"""What a gateway consists of, and how it is taken apart again. `assembly` makes it, `app` lets it serve."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from gatekeep.approval_assembly import ApprovalHalf
from gatekeep.archivist_link import ArchivistLink
from gatekeep.domain.decisions import Verdict
from gatekeep.gate.clearance import Clearance
from gatekeep.gate.policy_desk import PolicyDeskOver
from gatekeep.gate.supervision import Supervision
from gatekeep.http_assembly import HttpHalf, Links
from gatekeep.identity.directory import EmbeddedDirectory
from gatekeep.identity.lockouts import LockOutBook
from gatekeep.identity.outbox import Telling
from gatekeep.identity.people import PeopleBook
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.ssh_proofs import SshProofBook
from gatekeep.identity.targets import FileTargetBook
from gatekeep.identity.tokens import TokenDesk
from gatekeep.journal.live import LiveJournal
from gatekeep.loop_assembly import LoopHalf
from gatekeep.policy_versions import PolicyVersions
from gatekeep.proxies.folding import FoldedEvents
from gatekeep.proxies.postgres.listener import PostgresDoor
from gatekeep.proxies.postgres.lookup import LookUps
from gatekeep.proxies.postgres.opening import PostgresSessions
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.runtime.work_process import WorkProcess
from gatekeep.slack_assembly import SlackHalf
from gatekeep.ssh_assembly import SshHalf
from gatekeep.stores.sqlite.reading import EventBooks
from gatekeep.stores.sqlite.state import StateStore
from gatekeep.web.health import GatewayNumbers, Readiness
from gatekeep.web.server import ApiDoor

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Parts:
    """All that a gateway consists of; `close` takes it apart in the right order."""

    owner: TaskOwner
    clock: Clock
    secrets: SecretReader
    state: StateStore
    tokens: TokenDesk
    directory: EmbeddedDirectory
    targets: FileTargetBook
    desk: PolicyDeskOver
    versions: PolicyVersions
    journal: LiveJournal
    archivist: ArchivistLink
    archive: EventBooks
    wrapped_keys: StateStore
    supervision: Supervision
    gate: Clearance
    approvals: ApprovalHalf
    loop: LoopHalf
    sessions: PostgresSessions
    folds: FoldedEvents
    door: PostgresDoor
    ssh: SshHalf
    proofs: SshProofBook
    lock_outs: LockOutBook
    people: PeopleBook
    telling: Telling
    links: Links
    slack: SlackHalf | None
    look_ups: LookUps
    offload: Offload
    parsers: Sequence[WorkProcess]
    faults: Faults
    api: ApiDoor = field(init=False)
    http: HttpHalf = field(init=False)
    draining: bool = False

    def readiness(self) -> Readiness:
        """What must hold before traffic is sent here."""
        return Readiness(
            journal_accepting=self.journal.accepting,
            archivist_alive=self.archivist.alive,
            policy_loaded=bool(self.desk.version),
            draining=self.draining,
        )

    def numbers(self) -> GatewayNumbers:
        """The figures of this moment."""
        tally = self.gate.tally
        archived = int(self.archivist.status.get("size", 0))
        return GatewayNumbers(
            events_total=self.journal.durable_n,
            statements={
                Verdict.ALLOW: tally.allowed,
                Verdict.ASK: tally.asked,
                Verdict.DENY: tally.denied,
            },
            refusals={"policy": tally.asked + tally.denied, "journal": tally.unrecorded},
            sessions_live=len(self.supervision),
            sessions_total=self.sessions.opened + self.ssh.sessions.opened,
            journal_pending_events=self.journal.next_n - self.journal.durable_n,
            journal_lag_events=max(0, self.journal.durable_n - archived),
        )

    async def close(self) -> None:
        """Doors, then sessions, then the journal, then what it needed.

        A part that fails to close (its disk may be gone) is told of, and the next one's turn comes.
        """
        parts: Iterable[tuple[str, Callable[[], Awaitable[None] | None]]] = (
            ("api", self.api.close),
            ("policy", self.versions.close),
            ("http", self.http.close),
            *((("slack", self.slack.close),) if self.slack is not None else ()),
            ("door", partial(self.door.close, grace=1.0)),
            ("ssh door", partial(self.ssh.door.close, grace=1.0)),
            ("sessions", self.sessions.close),
            ("ssh sessions", self.ssh.sessions.close),
            ("loop", self.loop.close),
            ("approvals", self.approvals.close),
            ("folded events", partial(self.folds.flush, everything=True)),
            ("journal", self.journal.close),
            ("archivist", self.archivist.stop),
            ("tasks", self.owner.close),
            ("look-ups", self.look_ups.close),
            ("archive", self.archive.close),
            ("wrapped keys", self.wrapped_keys.close),
            ("off-loading", self.offload.close),
            *((f"parser {number}", one.close) for number, one in enumerate(self.parsers, 1)),
            ("state", self.state.close),
        )
        for name, close in parts:
            try:
                closing = close()
                if closing is not None:
                    await closing
            except Exception as error:  # noqa: BLE001 - whatever it was, the rest must close
                _log.error("not closed", part=name, error=repr(error))


class Faults:
    """Where parts tell of faults before it is known who listens."""

    def __init__(self) -> None:
        self.listener: Callable[[BaseException], None] | None = None

    def tell(self, error: BaseException) -> None:
        """Pass a fault on."""
        if self.listener is not None:
            self.listener(error)
