"""The tables of `state.db`, as scripts that each bring it one version further. Nothing reads them here.

A script that has been released is never changed: add another one at the end.
"""

from __future__ import annotations

from typing import Final

MIGRATIONS: Final = (
    """
    CREATE TABLE settled_values (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE tokens (
      id TEXT PRIMARY KEY, principal TEXT NOT NULL, created_us INTEGER NOT NULL,
      expires_us INTEGER NOT NULL, revoked_us INTEGER NOT NULL, note TEXT NOT NULL,
      stored_key BLOB NOT NULL, server_key BLOB NOT NULL, active INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE outbox (
      id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, subject TEXT NOT NULL,
      payload BLOB NOT NULL, created_us INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE policy_versions (
      digest TEXT PRIMARY KEY, texts BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE policy_activations (
      outbox_id INTEGER PRIMARY KEY, digest TEXT NOT NULL REFERENCES policy_versions (digest),
      activated_us INTEGER NOT NULL, active INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE subject_keys (
      person TEXT PRIMARY KEY, key_id BLOB NOT NULL UNIQUE, wrapped BLOB NOT NULL
    ) STRICT;
    CREATE TABLE session_keys (
      session_id TEXT PRIMARY KEY, wrapped BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE policy_activations ADD COLUMN facts BLOB NOT NULL DEFAULT x'7b7d';
    ALTER TABLE policy_activations ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
    """,
    """
    CREATE TABLE approval_requests (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
      principal TEXT NOT NULL, target TEXT NOT NULL, session TEXT NOT NULL, template TEXT NOT NULL,
      text TEXT NOT NULL, decided_us INTEGER NOT NULL, decided_by TEXT NOT NULL,
      decision_reason TEXT NOT NULL, scope TEXT NOT NULL, outcome TEXT NOT NULL,
      settled INTEGER NOT NULL, escalated BLOB NOT NULL, sight BLOB NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX approval_requests_open ON approval_requests (state) WHERE state = 'pending';
    CREATE INDEX approval_requests_template ON approval_requests (template, target);
    CREATE TABLE approval_votes (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, request TEXT NOT NULL, person TEXT NOT NULL,
      body BLOB NOT NULL, UNIQUE (request, person)
    ) STRICT;
    CREATE TABLE grants (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, principal TEXT NOT NULL,
      starts_us INTEGER NOT NULL, ends_us INTEGER NOT NULL, used INTEGER NOT NULL,
      revoked_us INTEGER NOT NULL, revoked_by TEXT NOT NULL, settled INTEGER NOT NULL,
      body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX grants_live ON grants (principal) WHERE revoked_us = 0;
    """,
    """
    ALTER TABLE tokens ADD COLUMN finder BLOB NOT NULL DEFAULT x'';
    """,
    """
    CREATE TABLE reviews (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, closed_us INTEGER NOT NULL,
      closed_by TEXT NOT NULL, finding TEXT NOT NULL, body BLOB NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE delegations (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, ended_us INTEGER NOT NULL,
      ended_by TEXT NOT NULL, settled INTEGER NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE memberships (
      person TEXT NOT NULL, in_group TEXT NOT NULL, since_us INTEGER NOT NULL,
      added_by TEXT NOT NULL, PRIMARY KEY (person, in_group)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE chat_links (
      principal TEXT PRIMARY KEY, team TEXT NOT NULL, account TEXT NOT NULL,
      workspace TEXT NOT NULL, display_name TEXT NOT NULL, linked_us INTEGER NOT NULL,
      settled INTEGER NOT NULL, UNIQUE (team, account)
    ) STRICT;
    CREATE TABLE chat_places (
      channel TEXT NOT NULL, message TEXT NOT NULL, request TEXT NOT NULL,
      shown_us INTEGER NOT NULL, closed INTEGER NOT NULL, PRIMARY KEY (channel, message)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX chat_places_request ON chat_places (request);
    CREATE INDEX chat_places_open ON chat_places (request) WHERE closed = 0;
    """,
    """
    CREATE TABLE suggestions (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
      since_us INTEGER NOT NULL, voices INTEGER NOT NULL, rule_id TEXT NOT NULL,
      in_force INTEGER NOT NULL, settled INTEGER NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX suggestions_rule ON suggestions (rule_id) WHERE in_force;
    CREATE TABLE suggestion_samples (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, suggestion TEXT NOT NULL,
      answered INTEGER NOT NULL, body BLOB NOT NULL
    ) STRICT;
    """,
)
