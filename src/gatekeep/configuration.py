"""Configuration files as values: targets, principals and policy, read together or not at all.

A second composition root, for files: `check`, start-up and reload all come through here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gatekeep.documents import everything, first_with_rest
from gatekeep.domain.targets import Target
from gatekeep.errors import SettingsError
from gatekeep.identity.on_call import NO_SCHEDULE, Schedule, load_schedule
from gatekeep.identity.principals import PrincipalEntry, load_principals
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.targets import load_targets
from gatekeep.loop_layer import Dropped, Fitted, fitted, read_layer
from gatekeep.policy.rules import PolicyVersion
from gatekeep.settings import Settings

SHORTEST_KEY = 24
"""Least length of a secret that signs, in characters: it must stand against guessing."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the files say, all of it valid. `dropped` are adopted rules that do not fit them."""

    targets: tuple[Target, ...]
    principals: tuple[PrincipalEntry, ...]
    policy: PolicyVersion
    schedule: Schedule = NO_SCHEDULE
    dropped: tuple[Dropped, ...] = ()


def load_configuration(
    settings: Settings, secrets: SecretReader, layer: str | None = None
) -> Configuration:
    """Read all files; `layer` are the adopted rules where they are known better than their file.

    Raises SettingsError naming file, key and fix; further faults at `also`.
    """
    problems: list[SettingsError] = []
    targets: tuple[Target, ...] = ()
    principals: tuple[PrincipalEntry, ...] = ()
    policy: Fitted | None = None
    try:
        targets = load_targets(settings.targets, secrets)
    except SettingsError as error:
        problems.extend(everything(error))
    try:
        principals = load_principals(settings.principals)
    except SettingsError as error:
        problems.extend(everything(error))
    try:
        adopted = read_layer(settings.state_dir) if layer is None else layer
        policy = fitted(settings.policy.dir, adopted)
    except SettingsError as error:
        problems.extend(everything(error))
    schedule = NO_SCHEDULE
    try:
        schedule = load_schedule(settings.approvals.schedule)
    except SettingsError as error:
        problems.extend(everything(error))
    problems += _notice_problems(settings, principals, schedule, secrets)
    if problems or policy is None:
        raise first_with_rest(problems)
    return Configuration(targets, principals, policy.version, schedule, policy.dropped)


def _notice_problems(
    settings: Settings,
    principals: tuple[PrincipalEntry, ...],
    schedule: Schedule,
    secrets: SecretReader,
) -> list[SettingsError]:
    """What is wrong with the secrets of mail and webhooks, and with whom webhooks vote as."""
    hooks = settings.webhooks
    problems: list[SettingsError] = []
    machines = {entry.principal.name for entry in principals if entry.principal.owner}
    for number, hook in enumerate(hooks.incoming):
        if hook.principal not in machines:
            problems.append(
                SettingsError(
                    f"{hook.principal} is no machine: no principal with an owner has this name",
                    key=f"webhooks.incoming[{number}].principal",
                    fix="a webhook votes as a machine that somebody answers for, never for a person",
                )
            )
    for key, reference in notice_references(settings, schedule).items():
        file = schedule.file if key.startswith("groups.") else ""
        least = 1 if key == "mail.password" else SHORTEST_KEY
        problems += _unfit(secrets, reference, file, key, least)
    return problems


def notice_references(settings: Settings, schedule: Schedule) -> dict[str, str]:
    """The secret references of mail, webhooks and the schedule, by where they stand."""
    hooks = settings.webhooks
    found = {
        **{f"webhooks.outgoing[{at}].secret": one.secret for at, one in enumerate(hooks.outgoing)},
        **{f"webhooks.incoming[{at}].secret": one.secret for at, one in enumerate(hooks.incoming)},
        **{f"groups.{group}.webhook.secret": one.secret for group, one in schedule.hooks.items()},
    }
    return found | ({"mail.password": settings.mail.password} if settings.mail.password else {})


def heard_of(settings: Settings) -> Callable[[str], bool]:
    """Whether anybody hears of notices: of those for a group, by its name, or (empty) for everybody."""
    slack = settings.slack
    told = slack.mode != "off"
    channels = slack.channel_of() if told else {}
    always = (told and slack.default_channel is not None) or any(
        "notice" in one.kinds for one in settings.webhooks.outgoing
    )
    return lambda group: always or group in channels


def _unfit(
    secrets: SecretReader, reference: str, file: str, key: str, least: int
) -> tuple[SettingsError, ...]:
    try:
        value = secrets.read(reference, file=file, key=key)
    except SettingsError as error:
        return everything(error)
    if len(value) >= least:
        return ()
    return (
        SettingsError(
            f"is too short: at least {least} characters", file=file, key=key,
            fix="make one with: openssl rand -hex 32",
        ),
    )  # fmt: skip
