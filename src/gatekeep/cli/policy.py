"""`gatekeep policy`: mounts the verbs; what they do is in `policy_files`, `_diff`, `_versions`."""

from __future__ import annotations

from typing import Final

from gatekeep.cli import policy_versions
from gatekeep.cli.verbs import lend, noun, verb

_FILES: Final = "gatekeep.cli.policy_files"
_DIFF: Final = "gatekeep.cli.policy_diff"

app = noun("The rules: check, test, explain and compare them on files; put them into force.")

lend(app, "check", f"{_FILES}:check_command", "Load and lint the policy; exit 8 when it is wrong.")
lend(app, "test", f"{_FILES}:test_command", "Run the policy's own cases; exit 8 when one differs.")
lend(app, "explain", f"{_FILES}:explain_command", "What would be decided of a statement, and why.")
lend(app, "diff", f"{_DIFF}:diff_command", "What differs between two versions, and for whom.")
verb(
    app,
    "apply",
    examples=("gatekeep policy apply --reason 'OPS-412: reports may read orders'",),
)(policy_versions.apply)
verb(app, "history", examples=("gatekeep policy history", "gatekeep policy history -o json"))(
    policy_versions.history
)
verb(
    app,
    "export",
    examples=(
        "gatekeep policy export --to config/policy",
        "gatekeep policy export 7f3a9c2 --to old",
    ),
)(policy_versions.export)
