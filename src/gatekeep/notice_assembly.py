"""Makes what tells people elsewhere, beside Slack: mail, webhooks, who is on call. Wires; decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from gatekeep.configuration import Configuration, heard_of
from gatekeep.domain.events import EventKind
from gatekeep.domain.targets import Target
from gatekeep.identity.mailboxes import MailBook
from gatekeep.identity.on_call import Schedule
from gatekeep.identity.steadiness import SteadyTime
from gatekeep.notify import duty
from gatekeep.notify.dialling import Caller
from gatekeep.notify.duty import Duty, DutyEndpoint, DutyNeeds
from gatekeep.notify.hooks_in import HookNeeds, IncomingEndpoint, IncomingHooks
from gatekeep.notify.mail import Mail, MailNeeds
from gatekeep.notify.notices import Notices, Tell
from gatekeep.notify.smtp import Smtp, SmtpValues
from gatekeep.notify.webhook import Endpoint, WebhookNeeds, Webhooks
from gatekeep.parts import Parts
from gatekeep.policy.lint import unheard
from gatekeep.runtime.clock import Clock, random_bytes
from gatekeep.settings import Settings

HOOKS: Final = "/hooks"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NoticeHalf:
    """All of it. `reload` takes over what a loading of the files brought."""

    boxes: MailBook
    duty: Duty
    mail: Mail | None
    webhooks: Webhooks | None
    callers: tuple[Caller, ...]
    endpoints_of: Callable[[Schedule], dict[str, DutyEndpoint]]
    notices: Notices
    heard: Callable[[str], bool]

    def reload(self, configuration: Configuration) -> None:
        """From now on these people and this schedule."""
        self.boxes.reload(configuration.principals)
        self.duty.reload(self.endpoints_of(configuration.schedule))
        for one in unheard(configuration.policy.rules, self.heard):
            _log.warning("a rule with @notify notifies nobody", rule=one.rule, file=one.file)

    async def close(self) -> None:
        """Say the last words, and end."""
        await self.notices.close()
        await self.duty.close()
        if self.webhooks is not None:
            await self.webhooks.close()
        if self.mail is not None:
            await self.mail.close()
        for caller in self.callers:
            await caller.close()


def assemble_notices(settings: Settings, parts: Parts) -> NoticeHalf:
    """Every part, made and listening; nobody is on call by webhook before `reload`."""
    clock = parts.clock
    now_us = SteadyTime(clock).now_us
    boxes = MailBook(())
    outgoing, asking = Caller(), Caller(limit_s=duty.LIMIT_S)
    on_call = Duty(DutyNeeds(asking, clock, now_us, random_bytes))
    parts.people.duty = on_call.now
    if settings.webhooks.incoming:
        parts.http.app.add_subapp(HOOKS, _incoming(settings, parts, now_us))
    hooks = _webhooks(settings, parts, outgoing, clock, now_us)
    return NoticeHalf(
        boxes,
        on_call,
        _mail(settings, parts, boxes, clock, now_us),
        hooks,
        (outgoing, asking),
        lambda schedule: {
            group: DutyEndpoint(hook.url, _reading(parts, hook.secret))
            for group, hook in schedule.hooks.items()
        },
        _notices(parts, hooks),
        heard_of(settings),
    )


def _notices(parts: Parts, hooks: Webhooks | None) -> Notices:
    """What rules with `@notify` decide goes to Slack and to webhooks; the gate knows neither."""
    places: list[Tell] = []
    if parts.slack is not None:
        places.append(parts.slack.slack.notices.tell)
    if hooks is not None:
        places.append(hooks.tell_notices)
    notices = Notices(parts.clock, places, parts.loop.book.hushed)
    if places:
        parts.gate.noticing.listener = notices.note
    return notices


def _mail(
    settings: Settings, parts: Parts, boxes: MailBook, clock: Clock, now_us: Callable[[], int]
) -> Mail | None:
    given = settings.mail
    if given.host is None or given.sender is None:
        return None
    values = SmtpValues(
        given.host, given.port, given.tls, given.ca, given.username or "",
        _reading(parts, given.password) if given.password else None,
    )  # fmt: skip
    post = Smtp(values, given.sender.rpartition("@")[2])
    return Mail(
        MailNeeds(
            parts.approvals.front, boxes, post, given.sender,
            lambda name: _is_withheld(parts.targets.target(name)), parts.links.to, clock, now_us,
        )
    )  # fmt: skip


def _is_withheld(target: Target | None) -> bool:
    """What is in a mail can be erased as little as what is in Slack."""
    return target is not None and target.slack_detail == "redacted"


def _webhooks(
    settings: Settings, parts: Parts, caller: Caller, clock: Clock, now_us: Callable[[], int]
) -> Webhooks | None:
    endpoints = tuple(
        Endpoint(
            one.name, one.url, _reading(parts, one.secret), frozenset(one.kinds),
            full=one.detail == "full",
        )
        for one in settings.webhooks.outgoing
    )  # fmt: skip
    if not endpoints:
        return None
    front = parts.approvals.front
    return Webhooks(
        endpoints, WebhookNeeds(front, caller, clock, now_us, random_bytes, parts.links.to)
    )


def _incoming(settings: Settings, parts: Parts, now_us: Callable[[], int]) -> web.Application:
    sources = parts.http.sources

    def refused(request: web.Request, why: str) -> None:
        source = sources.source_of(request)
        parts.folds.note(EventKind.AUTH_FAILED, source, f"webhook: {why}", "")

    endpoints = tuple(
        IncomingEndpoint(one.name, one.principal, _reading(parts, one.secret))
        for one in settings.webhooks.incoming
    )
    needs = HookNeeds(
        parts.approvals.front, parts.directory, now_us, refused, sources.is_protected
    )
    return IncomingHooks(endpoints, needs).http_app()


def _reading(parts: Parts, reference: str) -> Callable[[], str]:
    return lambda: parts.secrets.read(reference)
