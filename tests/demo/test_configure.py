"""The demo's files: with a machine for SSH where the gateway has a door, and as before where not."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest
import yaml
from argon2 import PasswordHasher

from gatekeep.demo import configure, run
from gatekeep.demo.configure import DemoFiles, Ports, SshMachine
from gatekeep.demo.ssh_process import SshTargetProcess
from gatekeep.demo.ssh_tour import SshTourFailed
from gatekeep.errors import SettingsError
from gatekeep.settings import Settings

PORTS = Ports(5432, 6432, 8080, 2222)


def written(files: DemoFiles, machine: SshMachine | None) -> dict[str, dict[str, object]]:
    """The three files of a configuration."""
    configure.write_configuration(files, PORTS, (Path("/c"), Path("/k")), machine)
    names = ("targets", "principals", "gatekeep")
    return {name: yaml.safe_load((files.config / f"{name}.yaml").read_text()) for name in names}


def test_without_a_door_nothing_speaks_of_ssh(tmp_path: Path) -> None:
    """Neither target nor keys nor settings, and no key is made."""
    files = DemoFiles(tmp_path / "demo")
    found = written(files, None)
    assert [target["name"] for target in found["targets"]["targets"]] == ["orders"]
    assert all("keys" not in one for one in found["principals"]["principals"])
    assert "ssh" not in found["gatekeep"]
    assert not files.ssh_key("alice").parent.exists()


def test_with_a_door_the_machine_is_a_target_and_everybody_has_a_key(tmp_path: Path) -> None:
    """Its key is pinned; each person's public key is registered, and the private one is theirs."""
    files = DemoFiles(tmp_path / "demo")
    public = configure.gateway_key(files)
    machine = SshTargetProcess(tmp_path / "web-1", public)
    found = written(files, SshMachine(2223, machine.public_key))
    target = found["targets"]["targets"][1]
    assert (target["name"], target["kind"], target["port"]) == ("web-1", "ssh", 2223)
    assert target["host_keys"] == [" ".join(machine.public_key.split()[:2])]
    assert target["accounts"] == {"deploy": {"key": f"file:{files.gateway_key}"}}
    assert files.gateway_key.stat().st_mode & 0o077 == 0
    assert (machine.directory / "authorized_keys").read_text() == public + "\n"
    assert found["gatekeep"]["ssh"] == {"host": "127.0.0.1", "port": 2222}
    for one in found["principals"]["principals"]:
        private = asyncssh.read_private_key(files.ssh_key(one["name"]))
        assert one["keys"] == [private.export_public_key().decode().strip()]
    assert len({one["keys"][0] for one in found["principals"]["principals"]}) == 3
    again = written(files, SshMachine(2224, machine.public_key))
    assert again["principals"] == found["principals"]
    assert again["targets"]["targets"][1]["port"] == 2224


def test_everybody_has_a_password_for_browsers(tmp_path: Path) -> None:
    """Each its own, in a file of theirs; principals.yaml refers to its hash line; a second start keeps both."""
    files = DemoFiles(tmp_path / "demo")
    found = written(files, None)["principals"]["principals"]
    passwords = {one["name"]: files.web_password(one["name"]).read_text() for one in found}
    assert len(set(passwords.values())) == 3
    for one in found:
        line = Path(one["password"].removeprefix("file:"))
        assert PasswordHasher().verify(line.read_text(), passwords[one["name"]])
        for path in (line, files.web_password(one["name"])):
            assert path.stat().st_mode & 0o077 == 0
    assert written(files, None)["principals"]["principals"] == found


def test_who_approves_high_risk_has_codes(tmp_path: Path) -> None:
    """The DBA alone: the others would be asked for one over SSH. A demo without them is too old."""
    files = DemoFiles(tmp_path / "demo")
    people = {one["name"]: one for one in written(files, None)["principals"]["principals"]}
    assert [name for name, one in people.items() if "totp" in one] == ["bob"]
    secret = files.code_secret("bob")
    assert people["bob"]["totp"] == f"file:{secret}"
    assert secret.stat().st_mode & 0o077 == 0
    secret.unlink()
    with pytest.raises(SettingsError, match="approvals"):
        written(files, None)


def test_a_demo_of_an_older_version_is_not_used_on(tmp_path: Path) -> None:
    """The error names the file, and what to remove; nothing of it was changed."""
    files = DemoFiles(tmp_path / "demo")
    before = written(files, None)
    with pytest.raises(SettingsError) as told:
        written(files, SshMachine(2223, "ssh-ed25519 AAAA"))
    assert told.value.file == str(files.config / "principals.yaml")
    assert f"remove {files.state} and {files.keys}" in told.value.fix
    assert written(files, None) == before


def test_the_demo_asks_its_own_gateway_whether_there_is_a_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group `ssh` of the settings decides whether there is a machine; the tour sees alice's way."""
    files = DemoFiles(tmp_path / "demo")
    fields = dict(Settings.model_fields)
    fields.pop("ssh", None)
    monkeypatch.setattr(configure.Settings, "__pydantic_fields__", fields)
    assert not configure.offers_ssh()
    assert run._ssh_machine(files) is None
    monkeypatch.setattr(configure.Settings, "__pydantic_fields__", {**fields, "ssh": None})
    assert configure.offers_ssh()
    machine = run._ssh_machine(files)
    assert machine is not None
    door = {"host": "127.0.0.1", "port": 2222, "host_key": "ssh-ed25519 AAAA"}
    sight = run.ssh_sight(files, door, machine, 6543)
    assert (sight.login, sight.stranger) == ("alice+web-1", "carol+web-1")
    with pytest.raises(SshTourFailed, match="host key"):
        run.ssh_sight(files, {"host": "127.0.0.1", "port": 2222}, machine, 6543)
    files.keys.mkdir(parents=True)
    (files.keys / run.DOOR_KEY).write_text("ssh-ed25519 BBBB door\n")
    kept = run.ssh_sight(files, {"host": "127.0.0.1", "port": 2222}, machine, 6543)
    assert kept.public_key == "ssh-ed25519 BBBB door\n"
    assert (sight.port, sight.database_port, sight.home) == (2222, 6543, machine.home)
