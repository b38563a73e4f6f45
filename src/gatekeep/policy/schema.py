"""The Cedar schema: what rules may speak about. Every fact a rule can read is declared here.

The text is the contract with policy authors; how facts are filled in lives in `request`.
"""

from __future__ import annotations

import functools
from typing import Final

import cedarpy

from gatekeep.domain.likeness import MOST_SLOTS

#: Actions on SQL targets, each `sql.<class>` of domain.actions.SqlClass.
SQL_ACTIONS: Final = (
    "sql.read",
    "sql.session",
    "sql.write",
    "sql.copy",
    "sql.procedural",
    "sql.ddl",
    "sql.dcl",
    "sql.opaque",
)

#: Actions that are asked before a session begins.
SESSION_ACTIONS: Final = ("session.open", "session.replicate")

#: Actions on gatekeep itself.
GATEWAY_ACTIONS: Final = (
    "audit.read",
    "breakglass",
    "erase",
    "grant.revoke",
    "hold",
    "policy.apply",
    "policy.read",
    "principal.read",
    "recording.play",
    "review.close",
    "session.kill",
    "session.watch",
    "suggestion.accept",
    "target.read",
    "token.make",
    "token.read",
    "token.revoke",
)

_SSH_ACTIONS: Final = ("ssh.shell", "ssh.exec", "ssh.line", "ssh.opaque")
_SFTP_ACTIONS: Final = ("sftp.read", "sftp.write", "sftp.delete", "sftp.admin")

#: Actions on SSH targets.
SSH_ACTIONS: Final = (
    *_SSH_ACTIONS, *_SFTP_ACTIONS, "tunnel.open", "tunnel.listen", "agent.forward",
)  # fmt: skip

#: Context attributes that may be absent; a rule must guard them with `context has`.
OPTIONAL: Final = frozenset(
    {"approval", "time", "source", "mfa_age", "reason", "ticket", "grant", "address"}
)

#: Optional attributes that nothing supplies yet: a rule that needs one never sees it.
NOT_SUPPLIED: Final = frozenset({"mfa_age", "reason", "ticket", "grant"})

#: The values of an action's template, as standing rules read them, in order.
SLOTS: Final = tuple(f"slot{number}" for number in range(1, MOST_SLOTS + 1))

#: Optional attributes that only standing rules are given, those that read `asked_by`.
STANDING: Final = frozenset({"asked_by", "template", "day", *SLOTS})

_ENTITIES: Final = """\
entity Group;
entity Environment;
entity Label;
entity Account;
entity Gateway;
// `person` is the natural person behind a principal, `owner` who answers for a machine.
entity Principal in [Group] { name: String, person: String, owner: String };
// `kind` is postgres or ssh; `owner` who answers for the target.
entity Target in [Environment, Label] { name: String, kind: String, owner: String };

// `groups` holds "dba" for one distinct approver out of that group, "dba:2" for two.
type Approval = { kind: String, groups: Set<String>, mfa: Bool, age_s: Long };
// UTC; weekday 1 is Monday.
type Moment = { hour: Long, minute: Long, weekday: Long };
"""

_ANYWHERE: Final = """\
  approval?: Approval, time?: Moment, source?: ipaddr, mfa_age?: Long,
  reason?: String, ticket?: String, grant?: String"""

_PLACE: Final = f"account: Account, database: String,\n{_ANYWHERE}"

# `asked_by` holds `id:digest` of the rules that ask, the digest being the first 12 hex digits of the
# SHA-256 of a rule's text; `day` counts from 1970-01-01 UTC.
_STANDING: Final = f"""\
  asked_by?: Set<String>, template?: String, day?: Long,
  {", ".join(f"{name}?: String" for name in SLOTS)}"""

_ACTION_PLACE: Final = f"{_PLACE},\n{_STANDING}"

# Sets are taken as upper bounds by a forbid: where one may lack members, it counts as holding
# whatever the forbid looks for. `known_tags` are the same tags without that: those surely there.
_SQL_FACTS: Final = f"""\
  verb: String, transaction: String, where: String, mode: String, copy_target: String,
  tables_read: Set<String>, tables_written: Set<String>, columns: Set<String>,
  functions: Set<String>, tags: Set<String>, known_tags: Set<String>,
  settings: Set<String>, roles: Set<String>,
  tables_complete: Bool, columns_complete: Bool, functions_complete: Bool,
  {_ACTION_PLACE}"""

# `resolved` is false where a line of a shell could not be read for sure; `complete` where words of
# a command are not literal, or hide more. `mode` is the way in: exec, line, sftp, scp and so on.
_COMMAND_FACTS: Final = f"""\
  program: String, argv: Set<String>, flags: Set<String>, paths: Set<String>,
  tags: Set<String>, known_tags: Set<String>, assurance: String, mode: String,
  resolved: Bool, complete: Bool,
  {_ACTION_PLACE}"""

# `address` is what the gateway dials; absent where the target resolves the name.
_TUNNEL_FACTS: Final = f"""\
  destination: String, port: Long, address?: ipaddr, resolved_by: String,
  tags: Set<String>, known_tags: Set<String>,
  {_ACTION_PLACE}"""


def _actions(parent: str, names: tuple[str, ...], resource: str, context: str) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return (
        f'action "{parent}";\n'
        f'action {listed} in ["{parent}"] appliesTo {{\n'
        f"  principal: Principal, resource: {resource}, context: {{\n{context}\n}} }};\n"
    )


def _alone(name: str, context: str) -> str:
    return (
        f'action "{name}" appliesTo {{ principal: Principal, resource: Target, '
        f"context: {{\n{context}\n}} }};\n"
    )


SCHEMA_TEXT: Final = "\n".join(
    (
        _ENTITIES,
        *(_alone(name, _PLACE) for name in SESSION_ACTIONS),
        _actions("sql", SQL_ACTIONS, "Target", _SQL_FACTS),
        _actions("ssh", _SSH_ACTIONS, "Target", _COMMAND_FACTS),
        _actions("sftp", _SFTP_ACTIONS, "Target", _COMMAND_FACTS),
        _alone("tunnel.open", _TUNNEL_FACTS),
        _alone("tunnel.listen", _TUNNEL_FACTS),
        _alone("agent.forward", _ACTION_PLACE),
        _alone("function.call", _SQL_FACTS),
        _actions("gateway", GATEWAY_ACTIONS, "Gateway", _ANYWHERE),
    )
)


@functools.cache
def schema() -> cedarpy.Schema:
    """The schema, parsed once. Raises ValueError if the text above is broken."""
    return cedarpy.Schema.from_str(SCHEMA_TEXT)
