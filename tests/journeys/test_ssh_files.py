"""Files over SSH: scp in both its protocols, sftp, rsync and git, as without us."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

import pytest
from support.client_tools import needed
from support.ssh_journey import Answer, SshWay, finished, same

pytestmark = pytest.mark.journey

CONTENT = random.Random(2).randbytes(3 * 1024 * 1024 + 17)


def fresh(way: SshWay, name: str) -> tuple[Path, Path]:
    """Two empty directories of always the same names: near ones and far ones."""
    base = way.target.directory / "stories" / name
    shutil.rmtree(base, ignore_errors=True)
    for side in ("near", "far"):
        (base / side).mkdir(parents=True)
    return base / "near", base / "far"


def tree(directory: Path) -> dict[str, str]:
    """Names, modes and contents below a directory."""
    return {
        str(path.relative_to(directory)): (
            f"{path.stat().st_mode & 0o777:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
            if path.is_file()
            else "directory"
        )
        for path in sorted(directory.rglob("*"))
        if ".git" not in path.parts
    }


def planted(directory: Path) -> None:
    """A small tree with names and modes that trip programs up."""
    (directory / "tree" / "deep er").mkdir(parents=True)
    (directory / "tree" / "big").write_bytes(CONTENT)
    (directory / "tree" / "empty").touch()
    (directory / "tree" / "deep er" / "naïve name 🙂").write_text("words\n")
    (directory / "tree" / "run").write_text("#!/bin/sh\n")
    (directory / "tree" / "run").chmod(0o750)


@pytest.mark.parametrize("protocol", ["-O", "-s"])
def test_scp_copies_trees_both_ways(ssh_way: SshWay, protocol: str) -> None:
    """Up and down again, names, modes and bytes are the same, in the old protocol and over sftp."""

    def story(way: SshWay) -> tuple[list[Answer], dict[str, str], dict[str, str]]:
        near, far = fresh(way, "scp")
        planted(near)
        up = way.line("scp", "-q", protocol, "-rp", str(near / "tree"), f"web-1:{far}/")
        down = way.line("scp", "-q", protocol, "-rp", f"web-1:{far}/tree", str(near / "back"))
        return [finished(up), finished(down)], tree(far), tree(near / "back")

    answers, up, back = same(ssh_way, story)
    assert [answer.code for answer in answers] == [0, 0], answers
    assert len(up) == 6
    assert back == {name.removeprefix("tree/"): what for name, what in up.items() if "/" in name}


@pytest.mark.parametrize("protocol", ["-O", "-s"])
def test_scp_says_what_it_could_not_read(ssh_way: SshWay, protocol: str) -> None:
    """A missing file is told in the same words and the same status."""

    def story(way: SshWay) -> Answer:
        near, far = fresh(way, "scp-missing")
        return finished(way.line("scp", "-q", protocol, f"web-1:{far}/absent", str(near)))

    found = same(ssh_way, story)
    assert found.code == 1
    assert b"No such file" in found.err


def sftp(way: SshWay, *lines: str, options: tuple[str, ...] = ()) -> Answer:
    """A batch of sftp; it ends at the first line that fails, unless that begins with `-`."""
    batch = "\n".join(lines).encode() + b"\n"
    return finished(way.line("sftp", "-q", *options, "-b", "-", "web-1"), stdin=batch)


def test_sftp_puts_gets_renames_lists_and_removes(ssh_way: SshWay) -> None:
    """An ordinary hour of sftp ends with the same files and the same words."""

    def story(way: SshWay) -> tuple[Answer, dict[str, str], dict[str, str]]:
        near, far = fresh(way, "sftp")
        planted(near)
        answer = sftp(
            way, f"lcd {near}/tree", f"cd {far}", "put -p run", "put big", "mkdir new",
            "rename big new/large", "ls -1", "ls -1 new", "get new/large down", "chmod 600 run",
            "symlink run link", "rm link", "-rm absent", "pwd", "put empty", "rm empty",
            "get -p run ran", "df -h",
        )  # fmt: skip
        out = b"\n".join(line for line in answer.out.splitlines() if b"%" not in line)
        return Answer(answer.code, out, answer.err), tree(far), tree(near)

    answer, there, here = same(ssh_way, story)
    assert answer.code == 0, answer
    assert there["new/large"].split()[1] == hashlib.sha256(CONTENT).hexdigest()
    assert there["run"].startswith("600 ")
    assert here["tree/down"] == there["new/large"].replace("600", "644") or "tree/down" in here
    assert b"sftp> " in answer.out
    assert set(there) == {"run", "new", "new/large"}


def test_sftp_resumes_both_ways(ssh_way: SshWay) -> None:
    """`reget` and `reput` go on where a transfer broke off, and the whole file is right."""

    def story(way: SshWay) -> tuple[int, int, dict[str, str]]:
        near, far = fresh(way, "resume")
        (near / "up").write_bytes(CONTENT)
        (far / "up").write_bytes(CONTENT[:1_000_003])
        (far / "down").write_bytes(CONTENT)
        (near / "down").write_bytes(CONTENT[:777_777])
        up = sftp(way, f"lcd {near}", f"cd {far}", "reput up")
        down = sftp(way, f"lcd {near}", f"cd {far}", "reget down")
        return up.code, down.code, {**tree(near), "far": tree(far)["up"]}

    up, down, files = same(ssh_way, story)
    assert (up, down) == (0, 0)
    assert {what.split()[1] for what in files.values()} == {hashlib.sha256(CONTENT).hexdigest()}


def test_sftp_refuses_in_the_targets_own_words(ssh_way: SshWay) -> None:
    """What the target does not do is told as the target tells it."""

    def story(way: SshWay) -> list[Answer]:
        near, far = fresh(way, "sftp-faults")
        (far / "full").mkdir()
        (far / "full" / "file").touch()
        return [
            sftp(way, f"lcd {near}", f"cd {far}", line)
            for line in ("get absent", "rmdir full", "cd absent", "rename absent other", "ls -l absent")
        ]

    for answer in same(ssh_way, story):
        assert answer.code == 1, answer
        assert answer.err, answer


def test_sftp_with_many_requests_under_way(ssh_way: SshWay) -> None:
    """Small blocks and many open requests arrive in order."""

    def story(way: SshWay) -> dict[str, str]:
        near, far = fresh(way, "requests")
        (near / "file").write_bytes(CONTENT)
        options = ("-B", "1024", "-R", "256")
        lines = (f"lcd {near}", f"cd {far}", "put file up", "get up down")
        assert sftp(way, *lines, options=options).code == 0
        return {**tree(near), "far": tree(far)["up"]}

    assert len({what.split()[1] for what in same(ssh_way, story).values()}) == 1


def test_rsync_goes_both_ways_and_sends_only_what_changed(ssh_way: SshWay) -> None:
    """Archive mode up, a change, `--delete`, and down again: the trees are equal each time."""
    needed("rsync")

    def story(way: SshWay) -> list[object]:
        near, far = fresh(way, "rsync")
        planted(near)
        shell = ["rsync", "-a", "-e", way.ssh_words]
        found: list[object] = [finished([*shell, f"{near}/tree/", f"web-1:{far}/copy/"])]
        found.append(tree(far / "copy") == tree(near / "tree"))
        (near / "tree" / "run").unlink()
        (near / "tree" / "big").write_bytes(CONTENT + b"more")
        sent = finished(
            [*shell, "--delete", "--checksum", "--itemize-changes",
             f"{near}/tree/", f"web-1:{far}/copy/"],
        )  # fmt: skip
        found += [sent.code, sorted(set(sent.out.split()) & {b"big", b"run", b"empty"})]
        found.append(finished([*shell, f"web-1:{far}/copy/", f"{near}/back/"]))
        found.append(tree(near / "back") == tree(near / "tree"))
        found.append(finished([*shell, f"web-1:{far}/absent", f"{near}/none"]).code)
        return found

    found = same(ssh_way, story)
    assert found[0] == Answer(0, b"")
    assert found[1:4] == [True, 0, [b"big", b"run"]]
    assert found[4:] == [Answer(0, b""), True, 23]


def test_git_clones_and_pushes(ssh_way: SshWay) -> None:
    """A clone, a commit, a push and a fetch over ssh: both repositories hold the commit."""
    needed("git")

    def story(way: SshWay) -> list[object]:
        near, far = fresh(way, "git")
        settings = {
            "GIT_SSH_COMMAND": way.ssh_words, "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com",
            "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com",
            "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
        }  # fmt: skip

        def git(*words: str, cwd: Path) -> Answer:
            return finished(["git", *words], cwd=cwd, more=settings)

        assert git("init", "-q", "--bare", "-b", "main", "store.git", cwd=far).code == 0
        found: list[object] = [git("clone", "-q", f"web-1:{far}/store.git", "one", cwd=near).code]
        (near / "one" / "big").write_bytes(CONTENT)
        found += [git(*words, cwd=near / "one").code for words in (
            ("checkout", "-q", "-B", "main"), ("add", "big"), ("commit", "-q", "-m", "big"),
            ("push", "-q", "origin", "main"), ("fetch", "-q"),
        )]  # fmt: skip
        found.append(git("rev-parse", "HEAD", cwd=near / "one").out)
        found.append(git("rev-parse", "main", cwd=far / "store.git").out)
        found.append(git("clone", "-q", f"web-1:{far}/store.git", "two", cwd=near).code)
        found.append((near / "two" / "big").read_bytes() == CONTENT)
        found.append(git("ls-remote", f"web-1:{far}/absent.git", cwd=near).code)
        return found

    found = same(ssh_way, story)
    assert found[:6] == [0] * 6
    assert found[6] == found[7]
    assert found[8:] == [0, True, 128]
