"""`gatekeep policy`: mounts what works on policy files; the work is in `policy_files`."""

from __future__ import annotations

from typing import Final

from gatekeep.cli.verbs import lend, noun

_FILES: Final = "gatekeep.cli.policy_files"

app = noun("Check, test and explain the rules, on files and without a gateway.")

lend(app, "check", f"{_FILES}:check_command", "Load and lint the policy; exit 8 when it is wrong.")
lend(app, "test", f"{_FILES}:test_command", "Run the policy's own cases; exit 8 when one differs.")
lend(app, "explain", f"{_FILES}:explain_command", "What would be decided of a statement, and why.")
