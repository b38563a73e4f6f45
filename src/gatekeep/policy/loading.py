"""From the texts of policy files to one immutable policy version, or to readable problems.

Takes names and texts, never paths. Everything that Cedar would silently ignore at evaluation is
refused here: a rule that errors does not forbid anything.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import cedarpy

from gatekeep.policy import conditions
from gatekeep.policy.lint import lint
from gatekeep.policy.rules import NOTIFY, PolicyVersion, Problem, Rule
from gatekeep.policy.scanner import CutError, Piece, cut
from gatekeep.policy.schema import SCHEMA_TEXT, schema

__all__ = ["PolicyVersion", "Problem", "Rule", "digest_of", "examine", "load"]

WORDS: Final = frozenset({"id", "title", "why", "risk", "runbook", "owner", "expires"})
OBLIGATIONS: Final = frozenset({"record", NOTIFY})
MAX_RULE_BYTES: Final = 64 * 1024

_NAMES: Final = sorted(set(re.findall(r"(\w+)\??: ", SCHEMA_TEXT)))
_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
MAX_DEPTH: Final = 100

_TOO_DEEP: Final = ("is too long or nested too deeply", "cut it into several rules")


def digest_of(files: Mapping[str, str]) -> str:
    """Digest of a set of files: length-prefixed names and texts by name, then the schema."""
    total = hashlib.sha256(b"gatekeep policy 1\n")
    parts = [part for name in sorted(files) for part in (name, files[name])]
    for part in (*parts, SCHEMA_TEXT):
        raw = part.encode()
        total.update(len(raw).to_bytes(8, "big"))
        total.update(raw)
    return total.hexdigest()


def examine(
    files: Mapping[str, str], folder: str = ""
) -> tuple[PolicyVersion | None, list[Problem]]:
    """Load `files` (name → text); the version, or None when a problem is an error.

    `folder` is put before the names in what people read; the digest does not know it.
    """
    rules: list[Rule] = []
    problems: list[Problem] = []
    for name, text in sorted(files.items()):
        shown = f"{folder}/{name}" if folder else name
        try:
            pieces = cut(text)
        except CutError as error:
            fix = "close the string or bracket, and end every policy with a semicolon"
            problems.append(Problem(shown, error.line, error.guessed_id, error.what, fix))
            continue
        for piece in pieces:
            loaded = _load(shown, piece)
            if isinstance(loaded, Rule):
                rules.append(loaded)
            else:
                problems.append(loaded)
    problems += _duplicates(rules)
    problems += lint(rules)
    if any(problem.error for problem in problems):
        return None, problems
    return replace(_version(digest_of(files), rules, problems), texts=dict(files)), problems


def load(files: Mapping[str, str], folder: str = "") -> PolicyVersion:
    """The policy version of `files`; `folder` as for `examine`.

    Raises SettingsError naming file, line, rule and fix; further faults hang at its `also`.
    """
    version, problems = examine(files, folder)
    if version is None:
        first, *others = [problem.as_error() for problem in problems if problem.error]
        first.also = tuple(others)
        raise first
    return version


def _version(digest: str, rules: Sequence[Rule], warnings: Sequence[Problem]) -> PolicyVersion:
    ordinary = tuple(rule for rule in rules if not rule.standing)
    read = frozenset(name for rule in ordinary for name in rule.reads)
    forbidding = frozenset(
        name for rule in ordinary if rule.effect == "forbid" for name in rule.reads
    )
    standing = tuple(rule for rule in rules if rule.standing)
    return PolicyVersion(
        digest, ordinary, read, forbidding, tuple(warnings), standing=standing
    )


def _load(file: str, piece: Piece) -> Rule | Problem:
    """One policy, alone: parsed, its annotations checked, validated against the schema."""
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(piece.text[:MAX_RULE_BYTES]))
    except RecursionError:
        return _problem(file, piece, *_TOO_DEEP)
    except ValueError as error:
        return _problem(
            file, piece, f"is not Cedar: {_one_line(error)}", "correct it as the message says"
        )
    fault = _shape_fault(piece, parsed)
    if fault is None:
        est = next(iter(parsed["staticPolicies"].values()))
        fault = _annotation_fault(est.get("annotations", {})) or _validation_fault(piece)
    return _rule(file, piece, est) if fault is None else _problem(file, piece, *fault)


def _problem(file: str, piece: Piece, what: str, fix: str) -> Problem:
    return Problem(file, piece.line, piece.guessed_id, what, fix)


def _shape_fault(piece: Piece, parsed: Mapping[str, Any]) -> tuple[str, str] | None:
    """What and fix, if a text is something else than one plain policy."""
    if len(piece.text) > MAX_RULE_BYTES or _depth(parsed) > MAX_DEPTH * 2:
        return _TOO_DEEP
    if parsed["templates"]:
        return "is a template (?principal, ?resource)", "name the principal and the resource"
    if len(parsed["staticPolicies"]) != 1:
        return "is not exactly one policy", "end every policy with one semicolon"
    return None


def _rule(file: str, piece: Piece, est: Mapping[str, Any]) -> Rule:
    notes = {key: value or "" for key, value in est["annotations"].items()}
    return Rule(
        id=notes["id"],
        effect=est["effect"],
        file=file,
        line=piece.line,
        text=piece.text,
        est=est,
        reads=conditions.reads(est["conditions"]),
        approvers=conditions.all_approver_groups(est),
        answers=frozenset(conditions.demanded(est, "asked_by")),
        obligations=frozenset(
            f"{key}:{notes[key]}" if notes[key] else key for key in OBLIGATIONS & notes.keys()
        ),
        title=notes.get("title", ""),
        why=notes.get("why", ""),
        owner=notes.get("owner", ""),
        risk=notes.get("risk", ""),
    )


def _annotation_fault(notes: Mapping[str, str | None]) -> tuple[str, str] | None:
    """What and fix of the first fault among a policy's annotations."""
    if not notes.get("id"):
        return "has no @id", 'write @id("a-short-name") in front of it'
    if not _ID.fullmatch(notes["id"] or ""):
        return (
            "has an @id of other characters than a-z 0-9 . _ -",
            "use lower-case letters, digits, dots and dashes",
        )
    return _obligation_fault(notes) or _unknown_annotation(notes)


def _obligation_fault(notes: Mapping[str, str | None]) -> tuple[str, str] | None:
    """What and fix of an obligation that nothing would meet."""
    if "mask" in notes:
        return (
            "has @mask, and results are not masked by gatekeep yet",
            "take @mask out, or deny the columns: context.columns",
        )
    if notes.get("record"):
        return (
            "has @record with a value, which nothing reads",
            "write @record alone; everything is recorded anyway, and rows never are",
        )
    group = notes.get(NOTIFY)
    if group and not _ID.fullmatch(group):
        return (
            f'has @notify("{group}"), which names no group',
            'write @notify, or @notify("dba") for the channel of that group (slack.channels)',
        )
    return None


def _unknown_annotation(notes: Mapping[str, str | None]) -> tuple[str, str] | None:
    unknown = sorted(notes.keys() - WORDS - OBLIGATIONS)
    if unknown:
        allowed = " ".join(f"@{key}" for key in sorted(WORDS | OBLIGATIONS))
        return (
            f"has the annotation @{unknown[0]}, which nothing reads",
            f"allowed are {allowed}; what decides belongs into a condition",
        )
    return None


def _validation_fault(piece: Piece) -> tuple[str, str] | None:
    """What and fix, if a policy does not fit the schema in strict mode."""
    checked = cedarpy.validate_policies(piece.text, schema())
    if checked.validation_passed:
        return None
    errors = [_one_line(one.error) for one in checked.errors]
    what = "; ".join(sorted(set(errors))[:3])
    optional = re.search(r"optional attribute `(\w+)` in context", what)
    if optional:
        name = optional.group(1)
        return what, f"guard it: context has {name} && …"
    unknown = re.search(r"`(\w+)`[^`]*(?:`[^`]*`)? not found", what)
    near = difflib.get_close_matches(unknown.group(1), _NAMES, 1) if unknown else []
    if near:
        return what, f"did you mean {near[0]}?"
    return what, "correct the rule as the message says"


def _duplicates(rules: Sequence[Rule]) -> list[Problem]:
    first: dict[str, Rule] = {}
    found: list[Problem] = []
    for rule in rules:
        earlier = first.setdefault(rule.id, rule)
        if earlier is not rule:
            what = f"has the @id of the rule at {earlier.file}:{earlier.line}"
            found.append(Problem(rule.file, rule.line, rule.id, what, "give it an @id of its own"))
    return found


def _one_line(error: object) -> str:
    words = re.sub(r"for policy `policy0`, ", "", str(error))
    return " ".join(words.split())[:300]


def _depth(node: Any) -> int:
    """How deep a JSON value is nested; iterative, so that nothing is too deep for it."""
    deepest = 0
    waiting = [(node, 1)]
    while waiting:
        one, level = waiting.pop()
        deepest = max(deepest, level)
        children = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        waiting.extend((child, level + 1) for child in children)
    return deepest
