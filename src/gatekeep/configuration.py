"""Configuration files as values: targets, principals and policy, read together or not at all.

A second composition root, for files: `check`, start-up and reload all come through here.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatekeep.cli.policy_directory import load_policy_directory
from gatekeep.documents import everything, first_with_rest
from gatekeep.domain.targets import Target
from gatekeep.errors import SettingsError
from gatekeep.identity.on_call import NO_SCHEDULE, Schedule, load_schedule
from gatekeep.identity.principals import PrincipalEntry, load_principals
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.targets import load_targets
from gatekeep.policy.loading import PolicyVersion
from gatekeep.settings import Settings


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the files say, all of it valid."""

    targets: tuple[Target, ...]
    principals: tuple[PrincipalEntry, ...]
    policy: PolicyVersion
    schedule: Schedule = NO_SCHEDULE


def load_configuration(settings: Settings, secrets: SecretReader) -> Configuration:
    """Read all files. Raises SettingsError naming file, key and fix; further faults at `also`."""
    problems: list[SettingsError] = []
    targets: tuple[Target, ...] = ()
    principals: tuple[PrincipalEntry, ...] = ()
    policy: PolicyVersion | None = None
    try:
        targets = load_targets(settings.targets, secrets)
    except SettingsError as error:
        problems.extend(everything(error))
    try:
        principals = load_principals(settings.principals)
    except SettingsError as error:
        problems.extend(everything(error))
    try:
        policy = load_policy_directory(settings.policy.dir, settings.state_dir)
    except SettingsError as error:
        problems.extend(everything(error))
    schedule = NO_SCHEDULE
    try:
        schedule = load_schedule(settings.approvals.schedule)
    except SettingsError as error:
        problems.extend(everything(error))
    if problems or policy is None:
        raise first_with_rest(problems)
    return Configuration(targets, principals, policy, schedule)
