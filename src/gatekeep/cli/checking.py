"""`gatekeep check`: are settings, targets, principals and policy right? Files only, no gateway.

Says everything that is wrong, each with file, key and fix. What the machine lacks is `doctor`'s.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from gatekeep.cli.exits import Exit
from gatekeep.cli.output import visible
from gatekeep.cli.policy_directory import demand_cases
from gatekeep.configuration import heard_of, load_configuration, notice_references
from gatekeep.documents import everything
from gatekeep.domain.targets import Target
from gatekeep.errors import SettingsError
from gatekeep.identity.directory import read_tokens
from gatekeep.identity.passwords import read_passwords
from gatekeep.identity.secrets import SecretReader, exposed_files
from gatekeep.identity.ssh_proofs import read_keys
from gatekeep.identity.totp import read_totp
from gatekeep.policy.lint import unheard
from gatekeep.settings import load_settings


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found: all that is wrong, what deserves a look, and what was read."""

    problems: tuple[SettingsError, ...] = ()
    warnings: tuple[str, ...] = ()
    summary: str = ""

    @property
    def exit(self) -> Exit:
        """0, or 8 when something is wrong."""
        return Exit.CHECK_FAILED if self.problems else Exit.DONE

    def text(self) -> str:
        """For people: each problem with the thing to do below it."""
        lines: list[str] = []
        for problem in self.problems:
            lines.append(f"gatekeep: {visible(str(problem))}")
            if problem.fix:
                lines.append(f"  try: {visible(problem.fix)}")
        lines += [f"warning: {visible(warning)}" for warning in self.warnings]
        if not self.problems:
            lines.append(f"● {self.summary}")
        return "\n".join(lines) + "\n"

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "ok": not self.problems,
            "problems": [
                {"file": one.file, "key": one.key, "what": one.public, "fix": one.fix}
                for one in self.problems
            ],
            "warnings": list(self.warnings),
        }


def check(settings_file: Path | None, environment: Mapping[str, str]) -> Report:
    """Read everything that `serve` would read, and open nothing that it would write."""
    reader = SecretReader(environment, warn=False)
    try:
        settings = load_settings(settings_file, environment)
    except SettingsError as error:
        return Report(everything(error))
    problems: list[SettingsError] = []
    try:
        found = load_configuration(settings, reader)
    except SettingsError as error:
        return Report(everything(error))
    try:
        demand_cases(found.policy, settings.policy.dir)
    except SettingsError as error:
        problems.extend(everything(error))
    looks: tuple[Callable[[], object], ...] = (
        lambda: read_tokens(found.principals, reader),
        lambda: read_keys(found.principals),
        lambda: read_totp(found.principals, reader),
        lambda: read_passwords(found.principals, reader),
        *(
            lambda key=key, reference=reference: reader.read(reference, key=key)
            for key, reference in settings.slack.references().items()
        ),
    )
    for look in looks:
        try:
            look()
        except SettingsError as error:
            problems.extend(everything(error))
    warnings = [
        f"{path} can be read by everybody (the secret of {key}); chmod 600"
        for key, path in exposed_files(
            {
                **_references(found.targets), **settings.slack.references(),
                **notice_references(settings, found.schedule),
            }
        )
    ]
    warnings += [
        f"target {target.name} believes whoever answers first (host_key: first_use)"
        for target in found.targets
        if target.ssh is not None and target.ssh.first_use
    ]
    warnings += [
        f"{person} has turns for {group} and is not in it: they count for nobody"
        for group, person in found.schedule.strangers(
            entry.principal for entry in found.principals
        )
    ]
    warnings += [
        f"{one.sentence()}; {one.fix}"
        for one in unheard(found.policy.rules, heard_of(settings))
    ]
    if settings.policy.single_person:
        warnings.append("one person alone may loosen the policy (policy.single_person)")
    return Report(
        tuple(problems),
        tuple(warnings),
        f"all is right: {len(found.targets)} targets, {len(found.principals)} principals, "
        f"policy {found.policy.digest[:12]}",
    )


def check_command(
    *,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", help="Settings file; else GATEKEEP_CONFIG or the usual place."),
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
) -> int:
    """Check settings, targets, principals and policy; exit 8 when something is wrong."""
    report = check(settings, os.environ)
    if output == "json":
        sys.stdout.write(orjson.dumps(report.document()).decode() + "\n")
    else:
        (sys.stderr if report.problems else sys.stdout).write(report.text())
    return report.exit


def _references(targets: tuple[Target, ...]) -> dict[str, str]:
    """The secret references of all accounts, by what they open."""
    return {
        f"{target.name}/{account.name}": account.secret
        for target in targets
        for account in target.accounts.values()
    }
