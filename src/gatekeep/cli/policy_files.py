"""Policy on files: `policy check`, `policy test`, `policy explain`.

Plain functions; the noun that mounts them is `cli.policy`. Nothing here speaks to a gateway, and
what a rule or a statement means is decided in `policy` and `protocols.sql`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Format, json_text, visible
from gatekeep.cli.policy_catalogue import catalogue_named, facts_against, live_catalogue
from gatekeep.cli.policy_directory import (
    load_policy_directory,
    own_cases,
    preset_cases,
    read_texts,
    run_case_file,
)
from gatekeep.configuration import heard_of
from gatekeep.documents import read_document, read_text
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.errors import GatekeepError, SettingsError
from gatekeep.identity.principals import principals_of
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.targets import targets_of
from gatekeep.policy.cases import CaseResult, report
from gatekeep.policy.engine import Engine, Standing
from gatekeep.policy.explain import command_explanation, explain_sql, explain_ssh, explanation
from gatekeep.policy.lint import silent_rules, unheard, unknown_approvers, unknown_notified
from gatekeep.policy.loading import examine
from gatekeep.policy.request import Place
from gatekeep.policy.rules import PolicyVersion, Problem
from gatekeep.protocols.ssh.commands.command import command_action
from gatekeep.settings import Settings, load_settings

_MAX_LINE: Final = 32 * 1024 * 1024

PolicyOption = Annotated[
    Path | None, typer.Option("--policy", help="Directory of the rules; else as in the settings.")
]
OutputOption = Annotated[Format, typer.Option("--output", "-o", help="How to show the result.")]


def check_command(*, policy: PolicyOption = None, output: OutputOption = Format.TABLE) -> int:
    """Load and lint the rules; exit 8 when they are wrong. Warnings go to stderr."""
    path, state, settings = _place(policy)
    version, problems = examine(read_texts(path, state), str(path))
    if version is not None:
        groups = {group for one in _principals(settings) for group in one.groups}
        if groups:
            problems += unknown_approvers(version.rules, groups)
            problems += unknown_notified(version.rules, groups)
        problems += silent_rules(version)
        problems += unheard(version.rules, heard_of(settings))
    if output is not Format.TABLE:
        sys.stdout.write(json_text(_checked(version, problems), indent=2) + "\n")
    else:
        _tell(version, problems)
    return Exit.DONE if version is not None else Exit.CHECK_FAILED


def test_command(
    *,
    policy: PolicyOption = None,  # noqa: PT028 - a command, not a test
    output: OutputOption = Format.TABLE,  # noqa: PT028 - a command, not a test
) -> int:
    """Run the policy's own cases and those of its presets; exit 8 when one differs."""
    path, state, _ = _place(policy)
    runs = list(_runs(path, state))
    results = [one for run in runs for one in run.results]
    if not results:
        raise Stop(f"{path} has no cases", advice="write some: cases/*.yaml", code=Exit.NOT_FOUND)
    failed = sum(1 for one in results if one.wrong)
    if output is not Format.TABLE:
        sys.stdout.write(json_text([_shown(one) for one in results], indent=2) + "\n")
    else:
        for line in _summary(runs, len(results), failed):
            sys.stdout.write(visible(line) + "\n")
    return Exit.CHECK_FAILED if failed else Exit.DONE


def explain_command(  # noqa: PLR0913 - the options of the public face
    *,
    principal: Annotated[str, typer.Option("--principal", help="Who asks.")],
    target: Annotated[str, typer.Option("--target", help="On which target.")],
    statement: Annotated[str | None, typer.Option("--statement", help="One SQL text.")] = None,
    command: Annotated[str | None, typer.Option("--command", help="One command line.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help='JSON lines, each {"statement": …} or {"command": …}; - is standard input.',
        ),
    ] = None,
    account: Annotated[str, typer.Option("--account", help="The log-in on the target.")] = "",
    catalogue: Annotated[
        str, typer.Option("--catalogue", help="clean, none, live or a JSON file.")
    ] = "clean",
    policy: PolicyOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """What would be decided of a statement or a command line, and why.

    Nothing is touched but the catalogue.

    With --file, or with -o json, one JSON line comes out for each line that goes in.
    """
    inputs = _inputs(statement, command, file)
    path, state, settings = _place(policy)
    version = load_policy_directory(path, state)
    kind = TargetKind.SSH if command is not None else TargetKind.POSTGRES
    asked = _Asked.of(settings, version, principal, (target, kind), account)
    view: CatalogueView | None = None
    looked = False
    for one in inputs:
        if not one.command and not looked:
            view, looked = asked.catalogue(catalogue), True
        known = catalogue if view is not None else "none"
        told = asked.command(one.text) if one.command else asked.statement(one.text, view, known)
        if file is None and output is Format.TABLE:
            _tell_explanation(told)
        else:
            sys.stdout.write(json_text(told) + "\n")
            sys.stdout.flush()
    return Exit.DONE


# --- where things are ------------------------------------------------------------------------


def _place(policy: Path | None) -> tuple[Path, Path | None, Settings]:
    """Directory of the rules, the state whose adopted rules belong to them, and the settings."""
    try:
        settings = load_settings(None, os.environ)
    except GatekeepError as error:
        raise Stop.of(error) from error
    if policy is not None:
        return policy, None, settings
    return settings.policy.dir, settings.state_dir, settings


class _NoSecrets(SecretReader):
    """Explaining a decision needs no secret, so none is read."""

    def read(self, reference: str, *, file: str = "", key: str = "") -> str:  # noqa: ARG002 - as inherited
        return ""


def _principals(settings: Settings) -> list[Principal]:
    if not settings.principals.exists():
        return []
    entries = principals_of(read_document(settings.principals), str(settings.principals))
    return [one.principal for one in entries]


def _target(settings: Settings, name: str, kind: TargetKind) -> Target:
    found: Sequence[Target] = ()
    if settings.targets.exists():
        secrets = _NoSecrets(os.environ)
        found = targets_of(read_document(settings.targets), str(settings.targets), secrets)
    for one in found:
        if one.name == name:
            return one
    sys.stderr.write(f"gatekeep: no target {visible(name)} in {settings.targets}; taken as plain\n")
    return Target(name, kind, "", 0)


# --- check and test ----------------------------------------------------------------------------


def _tell(version: PolicyVersion | None, problems: Sequence[Problem]) -> None:
    for one in problems:
        kind = "error" if one.error else "warning"
        sys.stderr.write(f"{kind}: {visible(one.sentence())}\n  try: {visible(one.fix)}\n")
    if version is None:
        errors = sum(1 for one in problems if one.error)
        sys.stderr.write(f"gatekeep: {errors} errors, the policy does not load (exit 8)\n")
    else:
        standing = f", {len(version.standing)} standing" if version.standing else ""
        sys.stdout.write(f"policy {version.name}: {len(version.rules)} rules{standing}\n")


def _checked(version: PolicyVersion | None, problems: Sequence[Problem]) -> dict[str, Any]:
    return {
        "policy": version.digest if version else "",
        "rules": len(version.rules) if version else 0,
        "standing": len(version.standing) if version else 0,
        "problems": [
            {
                "file": one.file, "line": one.line, "rule": one.rule, "what": one.what,
                "fix": one.fix, "severity": "error" if one.error else "warning",
            }
            for one in problems
        ],
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Run:
    """The cases of one file, run."""

    engine: Engine
    results: list[CaseResult]


def _runs(path: Path, state: Path | None) -> Iterator[_Run]:
    """Cases beside the policy run against it; `presets/x.cases.yaml` against `presets/x.cedar`."""
    own = read_texts(path, state)
    for cases in own_cases(path):
        yield _Run(*run_case_file(cases, own, str(path)))
    for preset, cases in preset_cases(path):
        texts = {preset.name: read_text(preset)}
        yield _Run(*run_case_file(cases, texts, str(preset.parent)))


def _summary(runs: Sequence[_Run], total: int, failed: int) -> Iterator[str]:
    if not failed:
        yield f"{total} cases, all as expected"
        return
    yield f"{total} cases, {total - failed} as expected, {failed} not (exit 8):"
    for run in runs:
        yield from report(run.results, run.engine)[1:]


def _shown(one: CaseResult) -> dict[str, Any]:
    return {
        "case": one.case.title,
        "file": one.case.file,
        "expected": one.case.expect.value,
        "got": one.decision.verdict.value,
        "rule": one.decision.rule,
        "reason": one.decision.reason,
        "wrong": one.wrong,
    }


# --- explain -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is asked about, and the engine that answers."""

    engine: Engine
    standing: Standing
    place: Place

    @classmethod
    def of(
        cls,
        settings: Settings,
        version: PolicyVersion,
        who: str,
        where: tuple[str, TargetKind],
        account: str,
    ) -> _Asked:
        """Principal and target as the files say; unknown ones are taken without any group."""
        principals = _principals(settings)
        members: dict[str, set[str]] = {}
        for one in principals:
            for group in one.groups:
                members.setdefault(group, set()).add(one.person)
        named = next((one for one in principals if one.name == who), None)
        if named is None:
            sys.stderr.write(
                f"gatekeep: no principal {visible(who)} in {settings.principals}; "
                "taken without groups\n"
            )
            named = Principal(who, who)
        target = _target(settings, *where)
        frozen = {group: frozenset(people) for group, people in members.items()}
        engine = Engine(version, frozen)
        logins = sorted(target.accounts)
        place = Place(named, target, account or (logins[0] if logins else ""), target.database)
        return cls(engine, engine.standing(named, target), place)

    def trusted(self) -> frozenset[str]:
        """The code that the target's owner vouches for."""
        return self.place.target.trusted_code if self.place.target else frozenset()

    def catalogue(self, name: str) -> CatalogueView | None:
        """The catalogue of that name; says so when there is no clean one."""
        view = self.live_view() if name == "live" else catalogue_named(name)
        if name == "clean" and view is None:
            sys.stderr.write("gatekeep: no clean catalogue is at hand, so no read is proven\n")
        return view

    def statement(self, text: str, view: CatalogueView | None, known: str) -> dict[str, Any]:
        """The decision over one SQL text, explained."""
        facts = facts_against(text, view, self.trusted())
        decision = explain_sql(self.engine, self.standing, self.place, facts, "simple")
        return explanation(text, facts, decision, known)

    def command(self, text: str) -> dict[str, Any]:
        """The decision over one command line, explained."""
        shell = self.place.target.login_shell if self.place.target else "bash"
        action = command_action(text, login_shell=shell)
        decision = explain_ssh(self.engine, self.standing, self.place, action)
        return command_explanation(action, decision)

    def live_view(self) -> CatalogueView:
        """What the target's catalogue says now. Raises SettingsError when it cannot be read."""
        place = self.place
        if place.target is None or place.account not in place.target.accounts:
            raise SettingsError(
                "a live catalogue needs a registered target and one of its accounts",
                key="--catalogue", fix="name them in the targets file, or use clean",
            )  # fmt: skip
        session = Session(
            "0" * 32, place.principal, place.target, place.account, "postgres",
            database=place.database or place.account,
        )  # fmt: skip
        return live_catalogue(session, SecretReader(os.environ).read)


@dataclass(frozen=True, slots=True)
class _Input:
    """One text to explain: SQL, or a command line."""

    text: str
    command: bool = False


def _inputs(statement: str | None, command: str | None, file: Path | None) -> Iterator[_Input]:
    if sum(one is not None for one in (statement, command, file)) != 1:
        raise Stop(
            "one of --statement, --command and --file is needed",
            advice='gatekeep policy explain --principal alice --target orders --statement "select 1"',
            code=Exit.USAGE,
        )
    if command is not None:
        return iter([_Input(command, command=True)])
    return iter([_Input(statement)]) if statement is not None else _lines(file or Path("-"))


def _lines(file: Path) -> Iterator[_Input]:
    """The statement or command of each line of a JSONL file."""
    try:
        stream = sys.stdin if str(file) == "-" else file.open(encoding="utf-8")
    except OSError as error:
        raise Stop(f"{file}: {error.strerror}", code=Exit.NOT_FOUND) from error
    with stream:
        number = 0
        while line := stream.readline(_MAX_LINE):
            number += 1
            if line.strip():
                yield _statement(line, f"{file}:{number}")


def _statement(line: str, where: str) -> _Input:
    try:
        raw = json.loads(line)
    except ValueError:
        raw = None
    if isinstance(raw, dict) and isinstance(raw.get("statement"), str):
        return _Input(str(raw["statement"]))
    if isinstance(raw, dict) and isinstance(raw.get("command"), str):
        return _Input(str(raw["command"]), command=True)
    raise Stop(f"{where}: is neither a statement nor a command",
               advice='write {"statement": "select 1"} or {"command": "ls"}', code=Exit.USAGE)  # fmt: skip


def _tell_explanation(told: Mapping[str, Any]) -> None:
    approvers = " or ".join(" and ".join(groups) for groups in told["approvers"])
    shown = {
        "verdict": told["verdict"],
        "class": told["class"],
        "tags": " ".join(told["tags"]),
        "rule": told["rule"],
        "reason": told["reason"],
        "approvers": approvers,
        "unproven": "; ".join(one["unproven"] for one in told["facts"] if one.get("unproven")),
        "template": told["template"],
        "policy": told["policy"],
        "catalogue": told["catalogue"],
    }
    for name, value in shown.items():
        if value:
            sys.stdout.write(f"{name}: {visible(value)}\n")
