"""The sshd that journeys go to is a real one, and leaves nothing behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.running_gateway import await_gone
from support.ssh_target import SshTarget, descendants


def test_it_runs_commands_says_so_in_its_log_and_is_gone_at_the_end(tmp_path: Path) -> None:
    """A key that it knows runs a command in a home of ours; afterwards no process is left."""
    target = SshTarget()
    try:
        known = tmp_path / "known_hosts"
        known.write_text(target.known_hosts)
        done = subprocess.run(
            ["ssh", "-F", "/dev/null", "-i", str(target.key), "-p", str(target.port),
             "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known}",
             f"{target.account}@{target.host}", "echo $HOME"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.stdout == f"{target.home}\n", done.stderr + target.log()
        assert f"Accepted publickey for {target.account}" in target.log()
        below = [target.pid, *descendants(target.pid)]
    finally:
        target.stop()
    target.stop()
    assert not target.directory.exists()
    await_gone(below)
