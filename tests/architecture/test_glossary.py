"""One word per thing: our own class, function and field names use the glossary's words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from support.source_tree import Module, modules

#: Word → what we say instead.
SYNONYMS = {
    "user": "principal", "users": "principals", "actor": "principal", "actors": "principals",
    "identity": "principal", "upstream": "target", "downstream": "client", "resource": "target",
    "resources": "targets", "server": "target (or gateway)", "servers": "targets",
    "host": "target", "hosts": "targets", "backend": "target", "ledger": "journal",
    "verdicts": "decisions", "permission": "decision", "authorization": "decision",
    "authorisation": "decision", "acl": "policy", "audit_log": "journal", "conn_user": "principal",
}  # fmt: skip

#: Names that are not ours to choose, or mean something else, with the reason.
ALLOWED = {
    "host": "a network address, in settings, targets.yaml and connection parameters",
    "host_keys": "SSH: host keys, in targets.yaml",
    "host_key": "SSH: a host key, in targets.yaml",
    "host_ca": "SSH: who signs host keys, in targets.yaml",
    "known_hosts": "OpenSSH: its file, in targets.yaml",
    "send_server_host_keys": "asyncssh: a method that the seam replaces",
    "validate_server_host_key": "asyncssh: a method that the seam replaces",
    "guard_hosts": "the HTTP Host header",
    "allowed_hosts": "the HTTP Host header",
    "os_user": "key of principals.yaml: an account of the operating system",
    "os_user_name": "an account of the operating system",
    "resource_uid": "Cedar: the third part of a request is its resource",
    "read_backend_key_data": "PostgreSQL: the message BackendKeyData",
    "server_key": "RFC 5802: ServerKey",
    "ServerExchange": "RFC 5802: the side that checks the proof",
    "backend_key_data": "PostgreSQL: the message BackendKeyData",
    "server_requested": "asyncssh: the callback of a tcpip-forward request",
    "unix_server_requested": "asyncssh: the callback of a streamlocal-forward request",
    "user_ca": "OpenSSH: a CA of user certificates",
    "server_version": "PostgreSQL: the parameter server_version",
}


def _names(module: Module) -> Iterator[tuple[int, str]]:
    """Names of classes, functions, and fields of classes."""
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.name
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                    yield inner.lineno, inner.target.id
                elif isinstance(inner, ast.Assign):
                    for target in inner.targets:
                        if isinstance(target, ast.Name):
                            yield inner.lineno, target.id


def words(name: str) -> list[str]:
    """The words of a name in any of our spellings."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return [word.lower() for word in spaced.split("_") if word]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.place)
def test_our_names_use_our_words(module: Module) -> None:
    """No class, function or field is named by a synonym; wire fields and such have a reason."""
    wrong = [
        f"line {line}: {name} (say {SYNONYMS[word]})"
        for line, name in _names(module)
        if name.lstrip("_") not in ALLOWED
        for word in words(name)
        if word in SYNONYMS
    ]
    assert wrong == []


def test_no_excuse_is_left_over() -> None:
    """A reason for a name that nobody uses is removed."""
    used = {name.lstrip("_") for module in modules() for _, name in _names(module)}
    assert set(ALLOWED) <= used, sorted(set(ALLOWED) - used)
