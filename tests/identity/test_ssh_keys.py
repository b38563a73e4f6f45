"""The gateway's SSH keys: made once, kept to their owner, and certificates that OpenSSH takes."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import asyncssh
import pytest
from support.clock import MovedClock

from gatekeep.errors import SettingsError
from gatekeep.identity.ssh_keys import (
    HOST_CA_NAME,
    HOST_KEY_NAME,
    VALID_S,
    AliasCertificates,
    ensure_ssh_keys,
    read_authority,
)


def test_keys_are_made_once(tmp_path: Path) -> None:
    """A second start finds what the first one made; only their owner may read the private halves."""
    first = ensure_ssh_keys(tmp_path / "keys")
    again = ensure_ssh_keys(tmp_path / "keys")
    assert first.fingerprint == again.fingerprint
    assert first.authority_line == again.authority_line
    for name in (HOST_KEY_NAME, HOST_CA_NAME):
        assert (tmp_path / "keys" / name).stat().st_mode & 0o777 == 0o600
    assert read_authority(tmp_path / "keys").split()[1] in first.authority_line
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "keys" / HOST_KEY_NAME],
        check=True, capture_output=True, text=True, timeout=30,
    ).stdout  # fmt: skip
    assert first.fingerprint in shown


def test_what_is_wrong_is_never_replaced(tmp_path: Path) -> None:
    """A key that is damaged, exposed, missing or mixed up stops the start and stays as it is."""
    ensure_ssh_keys(tmp_path)
    private, public = tmp_path / HOST_KEY_NAME, tmp_path / f"{HOST_KEY_NAME}.pub"
    held = private.read_bytes()
    private.chmod(0o640)
    with pytest.raises(SettingsError, match="others"):
        ensure_ssh_keys(tmp_path)
    private.chmod(0o600)
    private.write_bytes(held[:100])
    with pytest.raises(SettingsError, match="no private key"):
        ensure_ssh_keys(tmp_path)
    assert private.read_bytes() == held[:100]
    private.unlink()
    with pytest.raises(SettingsError, match="cannot be read"):
        ensure_ssh_keys(tmp_path)
    private.write_bytes((tmp_path / HOST_CA_NAME).read_bytes())
    private.chmod(0o600)
    with pytest.raises(SettingsError, match="public half"):
        ensure_ssh_keys(tmp_path)
    assert public.exists()


def test_no_authority_before_the_first_start(tmp_path: Path) -> None:
    """Who asks for it too early is told what makes it."""
    with pytest.raises(SettingsError) as caught:
        read_authority(tmp_path)
    assert "gatekeep serve" in caught.value.fix


def test_certificates_name_one_target_and_end(tmp_path: Path) -> None:
    """ssh-keygen reads the alias and the time; a new one is made before the old one ends."""
    clock = MovedClock()
    keys = ensure_ssh_keys(tmp_path)
    minted = AliasCertificates(keys, clock)
    key, certificate = minted.shown_for("web-1")
    assert key.get_fingerprint() == keys.fingerprint
    (tmp_path / "cert.pub").write_bytes(certificate.export_certificate())
    shown = subprocess.run(
        ["ssh-keygen", "-L", "-f", tmp_path / "cert.pub"],
        check=True, capture_output=True, text=True, timeout=30,
    ).stdout  # fmt: skip
    assert "ssh-ed25519-cert-v01@openssh.com host certificate" in shown
    assert shown.split("Principals:")[1].split()[0] == "gatekeep.web-1"
    assert "Valid: from 2023-11-14" in shown
    assert minted.shown_for("web-1")[1] is certificate
    assert minted.shown_for("web-2")[1] is not certificate
    clock.pass_s(VALID_S / 2 + 1)
    assert minted.shown_for("web-1")[1] is not certificate


def test_a_clock_set_back_gets_a_certificate_of_its_own(tmp_path: Path) -> None:
    """One that is not valid yet would lock everybody out."""
    clock = MovedClock()
    minted = AliasCertificates(ensure_ssh_keys(tmp_path), clock)
    first = minted.shown_for("web-1")[1]
    clock.step_s(-86_400)
    assert minted.shown_for("web-1")[1] is not first


async def test_openssh_believes_it(tmp_path: Path) -> None:
    """With the `@cert-authority` line, ssh takes the inner connection for the target's alias only."""
    keys = ensure_ssh_keys(tmp_path)
    seen: list[str] = []

    class Anyone(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            seen.append(username)
            return True


    clock = MovedClock(wall=time.time_ns() // 1000)
    pair = AliasCertificates(keys, clock).shown_for("web-1")
    acceptor = await asyncssh.listen("127.0.0.1", 0, server_factory=Anyone, server_host_keys=[pair])
    (tmp_path / "known").write_text(keys.authority_line + "\n")
    for alias, expected in (("gatekeep.web-1", True), ("gatekeep.web-2", False), ("web-1", False)):
        seen.clear()

        running = await asyncio.create_subprocess_exec(
            "ssh", "-F", "none", "-p", str(acceptor.get_port()), "-o", "BatchMode=yes",
            "-o", f"UserKnownHostsFile={tmp_path}/known", "-o", f"HostKeyAlias={alias}",
            "-o", "StrictHostKeyChecking=yes", "deploy@127.0.0.1", "true",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, err = await asyncio.wait_for(running.communicate(), 20)
        assert (seen == ["deploy"]) is expected, err
    acceptor.close()
    await acceptor.wait_closed()
