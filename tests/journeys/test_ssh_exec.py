"""Commands over SSH: what runs, what comes back, and how it ends, as without us."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
from pathlib import Path

import pytest
from support.running_gateway import alive
from support.ssh_journey import Answer, SshWay, finished, same, until

pytestmark = pytest.mark.journey

MIB = 1024 * 1024


@pytest.mark.parametrize("code", [0, 1, 2, 126, 127, 255])
def test_exit_codes_arrive(ssh_way: SshWay, code: int) -> None:
    """The status of a command is the client's."""
    assert same(ssh_way, lambda way: way.ssh(f"exit {code}")) == Answer(code, b"")


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV"])
def test_a_command_that_a_signal_killed_ends_alike(ssh_way: SshWay, name: str) -> None:
    """An exit signal is passed on, with what was printed before it."""
    found = same(ssh_way, lambda way: way.ssh(f"printf before; kill -{name} $$; printf behind"))
    assert found.code != 0
    assert found.out == b"before"


def test_output_and_errors_stay_apart(ssh_way: SshWay) -> None:
    """Standard output gets nothing of standard error, nor the other way round."""
    found = same(ssh_way, lambda way: way.ssh("printf 'out\\n'; printf 'err\\n' >&2; exit 3"))
    assert found == Answer(3, b"out\n", b"err\n")


def test_a_command_that_says_nothing_says_nothing(ssh_way: SshWay) -> None:
    """No word of ours stands on either stream."""
    assert same(ssh_way, lambda way: way.ssh("true")) == Answer(0, b"", b"")


def test_ten_million_random_bytes_survive_both_ways(ssh_way: SshWay) -> None:
    """Input and output are bytes, whatever they look like."""
    sent = random.Random(1).randbytes(10 * MIB)
    found = same(ssh_way, lambda way: way.ssh("sha256sum; ", stdin=sent))
    assert found.out.split()[0].decode() == hashlib.sha256(sent).hexdigest()
    echoed = same(ssh_way, lambda way: way.ssh("cat", stdin=sent))
    assert echoed.out == sent


def test_every_byte_passes(ssh_way: SshWay) -> None:
    """No value is special without a terminal: NUL, 0x03, 0x04, 0x1b, 0xff."""
    sent = bytes(range(256)) * 16
    assert same(ssh_way, lambda way: way.ssh("cat", stdin=sent)).out == sent


def test_words_in_other_scripts_pass(ssh_way: SshWay) -> None:
    """Commands and output are UTF-8."""
    found = same(ssh_way, lambda way: way.ssh("printf '%s' 'grüß Gott, мир, 世界 🙂'"))
    assert found.out.decode() == "grüß Gott, мир, 世界 🙂"


def test_quotes_and_lines_of_a_command_are_not_touched(ssh_way: SshWay) -> None:
    """What the shell gets is what was sent, over several lines, with every quote."""
    command = "cat <<'END'\n\"it's\" $HOME `id` \\\\ !\n\n\tend \nEND\nprintf '%s' \"$((6*7))\""
    found = same(ssh_way, lambda way: way.ssh(command))
    assert found.out == b"\"it's\" $HOME `id` \\\\ !\n\n\tend \n42"


def test_a_command_of_many_kilobytes_runs(ssh_way: SshWay) -> None:
    """Long commands are commands."""
    text = "x" * 60_000
    assert same(ssh_way, lambda way: way.ssh(f"printf %s {text} | wc -c")).out.strip() == b"60000"


def test_a_script_on_standard_input_runs(ssh_way: SshWay) -> None:
    """`ssh host < script` and `ssh host bash -s` run it to the end."""
    script = b"x=40\nfor i in 1 2; do x=$((x + 1)); done\necho result $x\nexit 7\n"

    def shell(way: SshWay) -> Answer:
        return finished(way.line("ssh", "-T", "web-1"), stdin=script)

    found = same(ssh_way, shell)
    assert found.code == 7
    assert found.out.endswith(b"result 42\n")
    assert same(ssh_way, lambda way: way.ssh("bash -s", stdin=script)) == Answer(7, b"result 42\n")


def test_variables_that_the_target_accepts_arrive(ssh_way: SshWay) -> None:
    """`SendEnv LANG LC_*` reaches the command."""

    def tell(way: SshWay) -> Answer:
        command = way.line("ssh", "-o", "SendEnv=LANG LC_TIME", "web-1", "echo $LANG $LC_TIME")
        return finished(command, more={"LANG": "C.UTF-8", "LC_TIME": "POSIX"})

    assert same(ssh_way, tell).out == b"C.UTF-8 POSIX\n"


def test_the_end_of_input_does_not_end_the_output(ssh_way: SshWay) -> None:
    """A closed standard input is a half-closed channel: what comes later still comes."""
    found = same(ssh_way, lambda way: way.ssh("cat; sleep 0.5; echo late", stdin=b"early\n"))
    assert found == Answer(0, b"early\nlate\n")
    assert same(ssh_way, lambda way: finished(way.line("ssh", "-n", "web-1", "cat"))).code == 0


def test_input_that_nobody_reads_does_not_hang(ssh_way: SshWay) -> None:
    """A command that ends before its input was read ends all the same."""
    found = same(ssh_way, lambda way: way.ssh("head -c 5", stdin=b"hello" + b"x" * 4 * MIB).out)
    assert found == b"hello"


def test_much_on_standard_error_arrives_whole(ssh_way: SshWay) -> None:
    """Errors have the same room as output, and neither waits for the other."""
    command = f"head -c {8 * MIB} /dev/zero >&2; head -c {8 * MIB} /dev/zero"
    found = same(ssh_way, lambda way: way.ssh(command))
    assert len(found.out) == len(found.err) == 8 * MIB
    assert not found.out.strip(b"\0")
    assert not found.err.strip(b"\0")


def test_a_client_that_dies_ends_what_it_ran(ssh_way: SshWay, tmp_path: Path) -> None:
    """Nobody is left to read: the command's next words find a closed pipe."""

    def story(way: SshWay) -> bool:
        mark = tmp_path / f"{way.name}.pid"
        command = f"echo $$ > {mark}.new; mv {mark}.new {mark}; while echo on; do sleep 0.1; done"
        with way.running("ssh", "web-1", command) as client:
            until(mark.exists, "the command runs")
            client.send_signal(signal.SIGKILL)
            client.wait(20)
            pid = int(mark.read_text())
            mark.unlink()
            until(lambda: not alive(pid), "the command ends")
        return True

    assert same(ssh_way, story)


def test_a_terminated_client_tells_nobody_a_lie(ssh_way: SshWay) -> None:
    """SIGINT to a client without a terminal: no exit status of the command is made up."""

    def story(way: SshWay) -> int:
        with way.running("ssh", "web-1", "echo up; exec sleep 60") as client:
            assert client.stdout is not None
            assert client.stdout.readline() == b"up\n"
            client.send_signal(signal.SIGINT)
            return client.wait(20)

    assert same(ssh_way, story) in {255, -signal.SIGINT}


def test_a_quiet_session_is_kept_alive(ssh_way: SshWay) -> None:
    """Keep-alives of the client are answered while nothing else is said."""
    options = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1")
    assert same(ssh_way, lambda way: way.ssh("sleep 4; echo there", *options)) == Answer(0, b"there\n")


def test_a_dialogue_over_pipes_goes_back_and_forth(ssh_way: SshWay) -> None:
    """Each line is answered before the next is sent: nothing waits for a full buffer."""

    def story(way: SshWay) -> list[bytes]:
        answers = []
        with way.running("ssh", "web-1", "while read -r x; do echo $((x * 2)); done") as client:
            assert client.stdin is not None
            assert client.stdout is not None
            for number in range(20):
                client.stdin.write(b"%d\n" % number)
                client.stdin.flush()
                answers.append(client.stdout.readline())
            client.stdin.close()
            assert client.wait(20) == 0
            client.stdin = None
        return answers

    assert same(ssh_way, story) == [b"%d\n" % (2 * number) for number in range(20)]


def test_an_unknown_host_key_is_refused_by_the_client(ssh_way: SshWay, tmp_path: Path) -> None:
    """These journeys check the near end's key: without a known one nothing runs."""
    empty = tmp_path / "known"
    empty.touch()
    found = ssh_way.ssh("echo reached", "-o", f"UserKnownHostsFile={empty}")
    assert found.code == 255
    assert found.out == b""


def test_a_strange_key_signs_nobody_in(ssh_way: SshWay, tmp_path: Path) -> None:
    """A key that nobody registered reaches nothing."""
    from support.ssh_target import make_key  # noqa: PLC0415 - this story alone makes one

    stranger = make_key(tmp_path / "stranger")
    command = ssh_way.line("ssh", "-o", f"IdentityFile={stranger}", "web-1", "echo reached")
    command[2] = str(_without_identity(ssh_way, tmp_path))
    found = finished(command)
    assert (found.code, found.out) == (255, b"")


def _without_identity(way: SshWay, directory: Path) -> Path:
    path = directory / "ssh_config"
    lines = way.config.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if "IdentityFile" not in line) + "\n")
    return path


def test_twenty_connections_at_once_run_each_its_own(ssh_way: SshWay) -> None:
    """Connections that are made together do not mix."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - this story alone

    def story(way: SshWay) -> list[bytes]:
        with ThreadPoolExecutor(10) as pool:
            return list(pool.map(lambda n: way.ssh(f"echo {n}").out, range(20)))

    assert same(ssh_way, story) == [b"%d\n" % n for n in range(20)]


def test_nothing_is_left_of_sessions_that_ended(ssh_way: SshWay) -> None:
    """After the stories above the target has no connection any more."""
    same(ssh_way, lambda way: way.ssh("true"))
    with contextlib.suppress(ProcessLookupError):
        os.kill(ssh_way.target.pid, 0)
    until(lambda: ssh_way.target.connections() == 0, "every connection is gone")
