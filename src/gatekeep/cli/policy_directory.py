"""The policy's files: rules, the adopted layer of a gateway's state, and the cases beside them.

Reads and nothing else. What the texts mean is decided in `policy`; commands are elsewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gatekeep.cli.policy_catalogue import catalogue_named, facts_against
from gatekeep.documents import parse_document, read_text
from gatekeep.domain.actions import SqlFacts
from gatekeep.domain.commands import SshAction
from gatekeep.errors import SettingsError
from gatekeep.loop_layer_text import ADOPTED
from gatekeep.policy.cases import CaseFile, CaseResult, read_cases, run_cases
from gatekeep.policy.engine import Engine
from gatekeep.policy.loading import load
from gatekeep.policy.rules import PolicyVersion
from gatekeep.protocols.ssh.commands.command import command_action

_PRESETS: Final = "presets"


def read_texts(path: Path, state: Path | None = None) -> dict[str, str]:
    """Name and text of every policy file directly in `path`, and of the layer adopted in `state`.

    Raises SettingsError, also where the layer was exported and differs from the file it became.
    """
    texts = _own_texts(path)
    layer = state / "policy" / ADOPTED if state is not None else None
    if layer is None:
        return texts
    adopted = _text_if_any(layer)
    if adopted is None:
        return texts
    if texts.setdefault(ADOPTED, adopted) != adopted:
        raise SettingsError(
            f"differs from the adopted rules at {layer}", file=str(path / ADOPTED),
            key="policy.dir", fix="gatekeep policy export --force, or remove one of the two",
        )  # fmt: skip
    return texts


def load_policy_directory(path: Path, state: Path | None = None) -> PolicyVersion:
    """The policy of a directory: its own `*.cedar` files, not those in directories below.

    `state` is the state directory whose adopted rules belong to it. Raises SettingsError naming
    file, line, rule and fix; further faults hang at its `also`.
    """
    return load(read_texts(path, state), str(path))


def own_cases(path: Path) -> list[CaseFile]:
    """The cases that a policy must pass to be loaded: `cases/*.yaml`. Raises SettingsError."""
    return [_cases(file) for file in sorted((path / "cases").glob("*.yaml"))]


def preset_cases(path: Path) -> list[tuple[Path, CaseFile]]:
    """Each preset's policy file with its cases, `presets/x.cases.yaml`. Raises SettingsError."""
    return [
        (file.with_name(file.name.removesuffix(".cases.yaml") + ".cedar"), _cases(file))
        for file in sorted((path / _PRESETS).glob("*.cases.yaml"))
    ]


def all_cases(path: Path) -> list[CaseFile]:
    """Every case at hand, to compare two versions by. Raises SettingsError."""
    return [*own_cases(path), *(cases for _, cases in preset_cases(path))]


def run_case_file(
    cases: CaseFile, texts: Mapping[str, str], folder: str
) -> tuple[Engine, list[CaseResult]]:
    """Decide the cases of a file under these rules and the file's own. Raises SettingsError."""
    rules = {f"{Path(cases.file).name} (rules)": cases.rules} if cases.rules else {}
    engine = Engine(load({**texts, **rules}, folder), cases.members)
    return engine, run_cases(engine, cases.cases, facts_of, action_of)


def demand_cases(version: PolicyVersion, path: Path) -> None:
    """Run the policy's own cases. Raises SettingsError naming case, rule, and where that stands."""
    problems = [
        _failed(one, engine)
        for cases in own_cases(path)
        for engine, results in [run_case_file(cases, version.texts, str(path))]
        for one in results
        if one.wrong
    ]
    if problems:
        first, *others = problems
        first.also = tuple(others)
        raise first


def facts_of(text: str, catalogue: str) -> Sequence[SqlFacts]:
    """The facts of a case's statement under the catalogue that it names."""
    return facts_against(text, _catalogue(catalogue), frozenset())


def action_of(text: str, action: str) -> SshAction:
    """The action that a case's command line is."""
    return command_action(text, action=action)


@functools.lru_cache(maxsize=4)
def _catalogue(name: str) -> Any:
    return catalogue_named(name)


def _failed(one: CaseResult, engine: Engine) -> SettingsError:
    rule = engine.version.rule(one.decision.rule)
    where = f"rule {rule.id}, {rule.file}:{rule.line}" if rule else "no rule"
    return SettingsError(
        f"{one.wrong} ({where})", file=one.case.file, key=f"case {one.case.title}",
        fix="correct the rule or the case; gatekeep policy test runs them all",
    )  # fmt: skip


def _cases(file: Path) -> CaseFile:
    return read_cases(str(file), parse_document(read_text(file), str(file)))


def _own_texts(path: Path) -> dict[str, str]:
    try:
        files = sorted(one for one in path.iterdir() if one.suffix == ".cedar" and one.is_file())
    except OSError as error:
        raise SettingsError(
            f"cannot be read: {error.strerror}", file=str(path), key="policy.dir",
            fix="name the directory of the rules in the settings, or pass --policy",
        ) from error  # fmt: skip
    if not files:
        raise SettingsError(
            "holds no policy, so nothing would be permitted", file=str(path), key="policy.dir",
            fix="copy a preset there, such as presets/balanced.cedar",
        )  # fmt: skip
    return {one.name: read_text(one) for one in files}


def _text_if_any(file: Path) -> str | None:
    try:
        return read_text(file) if file.exists() else None
    except OSError as error:
        raise SettingsError(
            f"cannot be read: {error.strerror}", file=str(file), key="state_dir",
            fix="run this as the account of the gateway, or pass --policy",
        ) from error  # fmt: skip
