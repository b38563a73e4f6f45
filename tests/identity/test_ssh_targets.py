"""Targets of kind ssh in targets.yaml: what is read, and one readable error for each wrong input."""

from __future__ import annotations

import subprocess
from pathlib import Path

import asyncssh
import pytest

from gatekeep.documents import everything
from gatekeep.domain.targets import Account, SshWay
from gatekeep.errors import SettingsError
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.targets import load_targets

PIN = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
KEY = asyncssh.generate_private_key("ssh-ed25519")
LOCKED = KEY.export_private_key("pkcs8-pem", passphrase="x").decode()  # noqa: S106 - made up
AUTHORITY = asyncssh.generate_private_key("ssh-ed25519")
CERTIFICATE = AUTHORITY.generate_user_certificate(KEY, "deploy", principals=["deploy"])
SECRETS = SecretReader(
    {
        "PW": "hunter2", "KEY": KEY.export_private_key("openssh").decode(), "LOCKED": LOCKED,
        "CERT": CERTIFICATE.export_certificate().decode(), "PIN": PIN,
    }
)  # fmt: skip


def written(tmp_path: Path, *items: str) -> Path:
    """A file with these targets."""
    file = tmp_path / "targets.yaml"
    file.write_text("targets:\n" + "".join(f"- {{{item}}}\n" for item in items))
    return file


def web(extra: str = f", host_keys: ['{PIN} root@web']", accounts: str = "deploy: 'env:PW'") -> str:
    """One SSH target."""
    return f"name: web-1, kind: ssh, host: web.example, accounts: {{{accounts}}}{extra}"


def test_everything_is_read(tmp_path: Path) -> None:
    """Each way to know a host and each way in of an account, and what is asked of shells."""
    (tmp_path / "known").write_text(f"web.example,10.0.0.1 {PIN}\n")
    accounts = (
        "a: 'env:PW', b: {key: 'env:KEY'}, c: {key: 'env:KEY', certificate: 'env:CERT'},"
        " d: {agent: /run/agent.sock}"
    )
    extra = (
        f", host_keys: ['{PIN} comment'], host_ca: '{PIN}', known_hosts: known,"
        " shell_hook: bash, hidden_input: deny, line_gate: off, login_shell: zsh"
    )
    (target,) = load_targets(written(tmp_path, web(extra, accounts)), SECRETS)
    assert target.accounts == {
        "a": Account("a", "env:PW"),
        "b": Account("b", key="env:KEY"),
        "c": Account("c", "", "env:CERT", "env:KEY"),
        "d": Account("d", agent="/run/agent.sock"),
    }
    known = str(tmp_path / "known")
    assert target.ssh == SshWay((PIN,), PIN, known, False, "bash", "deny", "off")  # noqa: FBT003 - first_use
    assert target.login_shell == "zsh"


def test_defaults(tmp_path: Path) -> None:
    """Hidden input alerts, lines are judged, and no hook is put into shells."""
    (target,) = load_targets(written(tmp_path, web(", host_key: first_use")), SECRETS)
    assert target.port == 22
    assert target.ssh == SshWay(first_use=True)
    assert target.ssh.hidden_input == "alert"


def test_a_postgres_target_has_no_ssh_way(tmp_path: Path) -> None:
    """The other kind is as it was."""
    item = "name: a, kind: postgres, host: h, accounts: {x: 'env:PW'}"
    (target,) = load_targets(written(tmp_path, item), SECRETS)
    assert target.ssh is None


BAD = [
    (web(""), "", "nothing that its host key", "ssh-keyscan"),
    (web(f", host_keys: ['{PIN}'], host_key: first_use"), ".host_key", "is known", "take it away"),
    (web(", host_key: always"), ".host_key", "first_use", "first_use"),
    (web(", host_keys: [nonsense]"), ".host_keys[0]", "no kind of SSH", ".pub"),
    (web(", host_ca: 'ssh-ed25519 AAAA'"), ".host_ca", "no SSH public key", ".pub"),
    (web(", known_hosts: none"), ".known_hosts", "cannot be read", "ssh-keyscan"),
    (web(", known_hosts: targets.yaml"), ".known_hosts", "not a known_hosts file", "-p 22 web.example"),
    (web() + ", tls: require", ".tls", "means nothing", "take it away"),
    (web() + ", database: x", ".database", "means nothing", "take it away"),
    (web() + ", hidden_input: ignore", ".hidden_input", "one of", "use one of"),
    (web() + ", shell_hook: fish", ".shell_hook", "one of", "use one of"),
    (web(accounts="deploy: {}"), ".accounts.deploy", "has no key", "one of key"),
    (web(accounts="deploy: {key: 'env:KEY', password: 'env:PW'}"), ".accounts.deploy",
     "key and password", "one of key"),
    (web(accounts="deploy: {password: 'env:PW', certificate: 'env:CERT'}"), ".accounts.deploy",
     "has no key", "together"),
    (web(accounts="deploy: {key: 'env:PW'}"), ".accounts.deploy.key", "no private key", "pass phrase"),
    (web(accounts="deploy: {key: 'env:LOCKED'}"), ".accounts.deploy.key", "no private", "pass phrase"),
    (web(accounts="deploy: {key: 'env:KEY', certificate: 'env:PIN'}"),
     ".accounts.deploy.certificate", "no OpenSSH certificate", "ssh-keygen -s"),
    (web(accounts="deploy: {agent: agent.sock}"), ".accounts.deploy.agent", "no absolute", "root"),
    (web(accounts="deploy: 'env:NONE'"), ".accounts.deploy", "NONE is not set", "set NONE"),
    ("name: a, kind: postgres, host: h, accounts: {x: 'env:PW'}, host_key: first_use", ".host_key",
     "means nothing for a target of kind postgres", "take it away"),
    ("name: a, kind: postgres, host: h, accounts: {x: 'env:PW'}, login_shell: zsh", ".login_shell",
     "means nothing", "take it away"),
    ("name: a, kind: postgres, host: h, accounts: {x: {password: 'env:PW', agent: /a}}",
     ".accounts.x.agent", "means nothing", "take it away"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "key", "what", "fix"), BAD)
def test_a_wrong_item_names_key_and_fix(
    tmp_path: Path, item: str, key: str, what: str, fix: str
) -> None:
    """One SettingsError for each fault, and never a secret."""
    with pytest.raises(SettingsError) as caught:
        load_targets(written(tmp_path, item), SECRETS)
    (error,) = everything(caught.value)
    assert error.key == f"targets[0]{key}"
    assert what in str(error)
    assert fix in error.fix
    assert "hunter2" not in str(error) + error.fix


def test_a_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    """As ssh itself would refuse it."""
    file = tmp_path / "key"
    file.write_bytes(KEY.export_private_key("openssh"))
    file.chmod(0o640)
    accounts = f"deploy: {{key: 'file:{file}'}}"
    with pytest.raises(SettingsError, match="others than its owner"):
        load_targets(written(tmp_path, web(accounts=accounts)), SECRETS)
    file.chmod(0o600)
    assert load_targets(written(tmp_path, web(accounts=accounts)), SECRETS)


def test_two_names_for_one_address_have_one_pinned_key(tmp_path: Path) -> None:
    """Two targets at one host and port that share no pin are one mistake; sharing one is fine."""
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    second = web(f", host_keys: ['{other}']").replace("web-1", "web-2").replace("web.ex", "WEB.ex")
    with pytest.raises(SettingsError, match="pins other keys"):
        load_targets(written(tmp_path, web(), second), SECRETS)
    assert load_targets(written(tmp_path, web(), second + ", port: 2222"), SECRETS)
    both = web(f", host_keys: ['{other}', '{PIN}']").replace("web-1", "web-2")
    assert load_targets(written(tmp_path, web(), both), SECRETS)


def test_known_hosts_of_openssh_is_understood(tmp_path: Path) -> None:
    """Hashed names, ports in brackets and authorities, as OpenSSH's own tools write them."""
    known = tmp_path / "known"
    for text in (f"[web.example]:2222 {PIN}\n", f"@cert-authority *.example {PIN}\n"):
        known.write_text(text)
        item = web(", port: 2222, known_hosts: known")
        assert load_targets(written(tmp_path, item), SECRETS)
    known.write_text(f"other.example {PIN}\n@revoked * {PIN}\n")
    with pytest.raises(SettingsError, match=r"knows no key of web\.example"):
        load_targets(written(tmp_path, web(", known_hosts: known")), SECRETS)
    known.write_text(f"web.example {PIN}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, timeout=30, capture_output=True)
    assert "web.example" not in known.read_text()
    assert load_targets(written(tmp_path, web(", known_hosts: known")), SECRETS)
