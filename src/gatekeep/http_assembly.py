"""The HTTP half of the composition root: from settings and shared parts to the one HTTP door."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiohttp import web

from gatekeep.feedback.ports import Suggestions
from gatekeep.gate.approval_ports import Approvals
from gatekeep.gate.ports import (
    Directory,
    EventArchive,
    Journal,
    LockOuts,
    PolicyDesk,
    SshProofs,
)
from gatekeep.identity.passwords import PasswordBook
from gatekeep.identity.principals import PrincipalEntry
from gatekeep.identity.secrets import SecretReader
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.settings import Settings
from gatekeep.settings.model import Http
from gatekeep.web.access import journal_recorder
from gatekeep.web.door import HttpDoor, Served, door_app
from gatekeep.web.health import Health
from gatekeep.web.hosts import LOOPBACK_NAMES
from gatekeep.web.pages.needs import PageNeeds, SignInLimits, SignInNeeds, SlackLinking, Strangers
from gatekeep.web.pages.routes import Pages
from gatekeep.web.sources import Sources


@dataclass(frozen=True, slots=True)
class HttpShared:
    """What the door has in common with the rest of the gateway."""

    health: Health
    approvals: Approvals
    directory: Directory
    desk: PolicyDesk
    archive: EventArchive
    journal: Journal
    proofs: SshProofs
    lock_outs: LockOuts
    strangers: Strangers
    clock: Clock
    now_us: Callable[[], int]
    draw: Callable[[int], bytes]
    slack: SlackLinking | None = None
    suggestions: Suggestions | None = None


@dataclass(frozen=True, slots=True)
class HttpHalf:
    """The door, and what proves people to it. The API is mounted on `app` before it opens."""

    door: HttpDoor
    app: web.Application
    pages: Pages
    sources: Sources
    passwords: PasswordBook
    offload: Offload
    owner: TaskOwner

    async def close(self) -> None:
        """Close the door; decisions that were begun come to their end."""
        await self.door.close()
        await self.owner.close(grace=5.0)
        self.offload.close()


class Links:
    """Addresses of pages, for those who name them elsewhere. `port` is where the door listens."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.port = http.port

    def base(self) -> str:
        """What every address of a page begins with."""
        return self._http.link_base(self.port)

    def to(self, request: str) -> str:
        """The page of a request."""
        return f"{self.base()}/r/{request}"


def assemble_http(
    settings: Settings,
    entries: Iterable[PrincipalEntry],
    secrets: SecretReader,
    shared: HttpShared,
) -> HttpHalf:
    """Every part, made but not serving. Raises SettingsError for a password that is no use."""
    http = settings.http
    sources = Sources(http.proxy_from)
    owner = TaskOwner("web")
    # Threads of their own: whoever guesses passwords keeps no statement waiting.
    offload = Offload(threads=2)
    passwords = PasswordBook(entries, secrets, offload)
    pages = Pages(
        PageNeeds(
            approvals=shared.approvals,
            directory=shared.directory,
            desk=shared.desk,
            archive=shared.archive,
            record=journal_recorder(shared.journal),
            sign_in=SignInNeeds(
                passwords,
                shared.proofs,
                shared.lock_outs,
                shared.strangers,
                SignInLimits(http.sign_in_s, http.sign_in_idle_s),
            ),
            sources=sources,
            now_us=shared.now_us,
            monotonic_ns=shared.clock.monotonic_ns,
            draw=shared.draw,
            owner=owner,
            offload=offload,
            base_url=http.base_url or "",
            template_s=int(settings.approvals.grant_s),
            slack=shared.slack,
            suggestions=shared.suggestions,
        )
    )
    app = door_app(
        shared.health,
        Served(pages.add, pages.nothing_here),
        sources,
        names=(*LOOPBACK_NAMES, *http.names),
        origins=http.origins,
    )
    door = HttpDoor(app, address=http.host, port=http.port)
    return HttpHalf(door, app, pages, sources, passwords, offload, owner)
