"""`gatekeep doctor` names what would hurt, and changes nothing."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import asyncssh
import pytest
from support.certificates import Authority

from gatekeep.cli.doctor import Finding, doctor_command, examine, told
from gatekeep.settings import Http, PostgresDoor, Settings


def settings(tmp_path: Path, **more: object) -> Settings:
    """Settings with private directories for state and keys."""
    for name in ("state", "keys"):
        (tmp_path / name).mkdir(mode=0o700, exist_ok=True)
    return Settings(state_dir=tmp_path / "state", keys_dir=tmp_path / "keys", **more)  # type: ignore[arg-type] # any setting


def named(findings: list[Finding], level: str) -> str:
    """What was said at this level, as one text."""
    return "\n".join(f"{one.what} / {one.fix}" for one in findings if one.level == level)


def test_a_good_machine_has_nothing_wrong(tmp_path: Path) -> None:
    """Private directories, space and a current SQLite; keys beside the state are worth a word."""
    found = examine(settings(tmp_path), {})
    assert named(found, "wrong") == ""
    assert "one backup of it would hold both" in named(found, "warning")
    assert "is private" in named(found, "good")


def test_before_the_first_start_nothing_is_wrong(tmp_path: Path) -> None:
    """Directories that are not there yet are made by `serve`, not by `doctor`."""
    found = examine(Settings(state_dir=tmp_path / "a/b", keys_dir=Path("/nowhere/keys")), {})
    assert named(found, "wrong") == ""
    assert "lie apart" in named(found, "good")
    assert not (tmp_path / "a").exists()


def test_open_directories_and_keys_are_wrong(tmp_path: Path) -> None:
    """What others may read is named with the command that closes it."""
    made = settings(tmp_path)
    made.state_dir.chmod(0o755)
    for name, mode in (("kek", 0o644), ("log.key", 0o600), ("log.vkey", 0o644), ("ssh_host_ca.pub", 0o644)):
        (made.keys_dir / name).write_text("x")
        (made.keys_dir / name).chmod(mode)
    wrong = named(examine(made, {}), "wrong")
    assert f"chmod 700 {made.state_dir}" in wrong
    assert f"chmod 600 {made.keys_dir / 'kek'}" in wrong
    assert "log." not in wrong
    assert "ssh_host_ca.pub" not in wrong


def test_a_file_where_a_directory_belongs(tmp_path: Path) -> None:
    """Said, not stumbled over."""
    file = tmp_path / "file"
    file.write_text("")
    found = examine(Settings(state_dir=file, keys_dir=tmp_path / "keys"), {})
    assert "is no directory" in named(found, "wrong")


def test_a_full_disk_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room for the next segments nothing would be forwarded."""

    class Usage:
        """A disk with 10 MiB left."""

        free = 10 * 1024 * 1024

    monkeypatch.setattr("gatekeep.cli.doctor.shutil.disk_usage", lambda _place: Usage)
    assert "10 MiB free for the journal" in named(examine(settings(tmp_path), {}), "wrong")


def test_open_doors_are_worth_a_word(tmp_path: Path) -> None:
    """Clear text from elsewhere, and metrics for everybody."""
    found = examine(
        settings(
            tmp_path,
            postgres=PostgresDoor(host="10.0.0.1", tls="prefer"),
            http=Http(host="10.0.0.1", metrics="everywhere"),
        ),
        {},
    )
    assert "statements in clear" in named(found, "warning")
    assert "metrics can be read" in named(found, "warning")


def targets(tmp_path: Path, *items: str) -> Settings:
    """Settings with these targets, each an item of the list without its name, kind and account."""
    names = ("orders", "web", "pay", "cart")
    file = tmp_path / "targets.yaml"
    file.write_text(
        "targets:\n"
        + "".join(
            f"- {{name: {name}, kind: postgres, accounts: {{app: 'env:PW'}}, {item}}}\n"
            for name, item in zip(names, items, strict=False)
        )
    )
    return settings(tmp_path, targets=file)


def test_ways_to_targets_that_leave_something_open(tmp_path: Path) -> None:
    """Clear text, and whoever answers: each with the setting that closes it."""
    made = targets(
        tmp_path, "host: db", "host: db, tls: require", "host: db, tls: require, auth: md5",
        "host: 127.0.0.1, tls: disable",
    )  # fmt: skip
    found = examine(made, {"PW": "hunter2"})
    warned = named(found, "warning")
    assert "orders: tls: prefer may send statements and rows in clear / set tls: ver" in warned
    assert "web: tls: require encrypts to whoever answers" in warned
    assert "pay: auth: md5 proves nothing" in warned
    assert "target cart" not in warned
    assert "target cart: tls: disable" in named(found, "good")
    assert named(found, "wrong") == ""


def test_certificates_that_end(tmp_path: Path) -> None:
    """One that has ended is wrong, one that will soon is worth a word."""
    year = dt.timedelta(days=365)
    Authority(tmp_path, "old", lives=(-2 * year, -year))
    Authority(tmp_path, "late", lives=(-year, dt.timedelta(days=3)))
    Authority(tmp_path, "new", lives=(-year, year))
    tls = "host: db, tls: verify-full, tls_ca"
    made = targets(tmp_path, f"{tls}: old.pem", f"{tls}: late.pem", f"{tls}: new.pem")
    found = examine(made, {"PW": "hunter2"})
    assert "target orders: tls_ca ended on " in named(found, "wrong")
    assert "target web: tls_ca ends on " in named(found, "warning")
    assert "target pay: tls: verify-full" in named(found, "good")


def test_targets_that_cannot_be_read_are_left_to_check(tmp_path: Path) -> None:
    """Said in one line, and the machine is looked at all the same."""
    found = examine(targets(tmp_path, "host: db"), {})
    assert "PW is not set / gatekeep check" in named(found, "warning")
    assert "SQLite" in named(found, "good")


def test_the_command_ends_with_8_when_something_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Warnings alone end with 0; both forms say the same."""
    made = settings(tmp_path)
    file = tmp_path / "gatekeep.yaml"
    file.write_text("state_dir: state\nkeys_dir: keys\n")
    assert doctor_command(settings=file) == 0
    assert "● good" in capsys.readouterr().out
    made.keys_dir.chmod(0o755)
    assert doctor_command(settings=file, output="json") == 8
    rows = json.loads(capsys.readouterr().out)
    assert [row["fix"] for row in rows if row["level"] == "wrong"] == [f"chmod 700 {made.keys_dir}"]


def test_paths_cannot_drive_the_terminal() -> None:
    """An escape sequence in a file's name is shown, not sent."""
    assert "\x1b" not in told([Finding("wrong", "key \x1b[2J can be read", "chmod \x1b")])


def test_ssh_targets_are_looked_at(tmp_path: Path) -> None:
    """Who is believed at first sight, and accounts whose certificate ended."""
    authority, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    ended = authority.generate_user_certificate(
        key, "old", principals=["x"], valid_after=0, valid_before=86_400
    )
    made = settings(tmp_path, targets=tmp_path / "targets.yaml")
    pin = key.export_public_key().decode().strip()
    made.targets.write_text(
        "targets:\n- {name: web-1, kind: ssh, host: h, host_key: first_use,"
        " accounts: {x: {key: 'env:KEY', certificate: 'env:CERT'}}}\n"
        f"- {{name: web-2, kind: ssh, host: i, host_keys: ['{pin}'], accounts: {{x: 'env:KEY'}}}}\n"
    )
    secrets = {
        "KEY": key.export_private_key("openssh").decode(),
        "CERT": ended.export_certificate().decode(),
    }
    found = examine(made, secrets)
    assert "web-1: whoever answers first is believed" in named(found, "warning")
    assert "web-1: the certificate of x ended on 1970-01-02" in named(found, "wrong")
    assert "target web-2: its host key is known" in named(found, "good")
