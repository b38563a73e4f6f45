"""Standard input that is a script: judged as exactly these bytes before the target has one of them."""

from __future__ import annotations

import hashlib

from support.ssh_story import ssh_story

from gatekeep.domain.commands import CommandFacts
from gatekeep.proxies.ssh import scripts
from gatekeep.proxies.ssh.scripts import reads_a_script


async def test_a_piped_script_is_one_exact_item() -> None:
    """Whole, with the hash of its bytes, released before it runs; the target gets all of it."""
    async with ssh_story() as story, await story.client() as client:
        done = await client.run(None, input="echo one\necho two\n")
        assert done.exit_status == 0
        payload = story.events("action.released")[0].payload
        assert payload["mode"] == "script"
        assert payload["assurance"] == "exact"
        assert payload["script_sha256"] == hashlib.sha256(b"echo one\necho two\n").hexdigest()
        assert "echo two" in payload["text"]


async def test_a_denied_script_never_reaches_the_target() -> None:
    """Also when a shell is named to read it."""
    async with ssh_story() as story, await story.client() as client:
        story.policy.denied.add("rm")
        for command in (None, "bash -s", "sh"):
            done = await client.run(command, input="ls\nrm -rf /\n")
            assert done.exit_status == 126
            assert "policy does not allow" in done.stderr
        assert len(story.events("action.refused")) == 3
        assert not story.events("action.released")


async def test_input_that_does_not_end_is_opaque(monkeypatch) -> None:  # noqa: ANN001 - pytest's own
    """A shell without a terminal that somebody types into: nothing is known of what it will run."""
    monkeypatch.setattr(scripts, "WAIT_S", 0.05)
    async with ssh_story() as story, await story.client() as client:
        process = await client.create_process(None, encoding=None)
        process.stdin.write(b"ls\n")
        await story.until(lambda: bool(story.events("action.released")))
        payload = story.events("action.released")[0].payload
        assert payload["assurance"] == "opaque"
        assert payload["resolved"] is False
        assert {one["action"] for one in payload["commands"]} == {"ssh.shell", "ssh.opaque"}
        process.close()


async def test_a_script_that_is_too_long_is_opaque() -> None:
    """Over 256 KiB it is not read, and not called exact; it arrives whole where it is allowed."""
    data = b"# x\n" * 100_000
    async with ssh_story() as story, await story.client() as client:
        done = await client.run(None, input=data, encoding=None)
        assert done.exit_status == 0
        assert story.events("action.released")[0].payload["assurance"] == "opaque"
        await story.until(lambda: bool(story.events("action.finished")))
        assert story.events("action.finished")[0].payload["bytes_in"] == len(data)


def test_only_bare_shells_read_scripts() -> None:
    """A command in the arguments, or a file to run, leaves standard input to that."""

    def fact(*argv: str) -> tuple[CommandFacts, ...]:
        return (CommandFacts("ssh.exec", argv[0], argv),)

    assert reads_a_script(fact("bash"))
    assert reads_a_script(fact("bash", "-s"))
    assert reads_a_script(fact("sh", "-e", "-"))
    assert not reads_a_script(fact("bash", "-c", "ls"))
    assert not reads_a_script(fact("bash", "x.sh"))
    assert not reads_a_script(fact("cat"))
    assert not reads_a_script(fact("bash") * 2)
