"""Scripts on standard input: which of them may be read otherwise than they are written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gatekeep.protocols.ssh.commands.command import read_command

_RUNS_ANOTHER = "cat <<E\nrm -rf /srv\nE\n"

EATEN = [
    "read x\n" + _RUNS_ANOTHER,
    "read x\ncat <<E\ntouch hit\nE\n",
    "head -n 1\ncat <<E\ntouch hit\nE\n",
    "head -c 7\nls\n",
    "grep -q a\nls\n",
    "grep -e a b\nls\n",
    "cat -\nls\n",
    "cat /dev/stdin\nls\n",
    "cat < /dev/fd/0\nls\n",
    "cat <&0\nls\n",
    "{ ls | cat <&3; } 3<&0\nls\n",
    "{ ls | cat <&3; } 3>&0\nls\n",
    "while read -u 3 x; do ls; done < f 3<&0\nls\n",
    "read x < f 3< /dev/stdin\nls\n",
    'f=/dev/stdin\nread x < "$f"\nls\n',
    "exec < f\nls\n",
    "command exec < f\nls\n",
    "exec 3<&0\nls\n",
    "sudo -S id\nls\n",
    "sudo cat\nls\n",
    "timeout 1 cat\nls\n",
    "apt-get install -y x\nls\n",
    "ssh other uptime\nls\n",
    "rm -i x\nls\n",
    "x=-i\nrm $x f\nls\n",
    "cat $empty\nls\n",
    "f() { read x; }\nf\nls\n",
    "if read x; then ls; fi\nls\n",
    "(cat)\nls\n",
    "echo $(cat)\nls\n",
    "trap 'read x' DEBUG\nls\n",
    "bash\nls\n",
    "bash -c 'read x'\nls\n",
    "eval 'read x'\nls\n",
    "find . -exec cat {} +\nls\n",
    "find . -ok ls \\;\nls\n",
    "read -n 1 x\n#rm -rf /srv\n",
    "read x\n: ls\n",
    "unknown-program\nls\n",
    "date -f -\nls\n",
    "sed 's/a/cat/e' f g\nls\n",
    "awk '{ getline x < \"-\" }' f g\nls\n",
    "systemctl edit --stdin x\nls\n",
]

WHOLE = [
    "ls\n",
    "cat",
    "ls\ncat; read x\n\n",
    "read x; ls\n",
    "ls\nwhile read l\ndo echo $l\ndone\n",
    "apt-get install -y x </dev/null\nls\n",
    "while read l; do echo $l; done < f\nls\n",
    "ls | while read l; do cat; done\nls\n",
    "while read l; do echo $l; done < <(ls)\nls\n",
    "cat <<E > f\nsome text\nE\nls\n",
    "cat <<< word\nls\n",
    "cd /srv/app\nmkdir -p x\necho hi > f\ngrep -q a f && rm -rf x\nexit 0\n",
    "if [ -f x ]; then systemctl restart nginx; fi\nsudo systemctl reload nginx\nls\n",
    "head -n 5 f\ntail -3 f\ncat f | sort | uniq\nls\n",
    "for i in 1 2 3; do sleep $i; done\nls\n",
    "export A=b\nwc -l f\nsed -n 3p f\nfind . -name x\nls 2>&1\n",
    "timeout 5 ls\nenv A=b ls\nnice ls\nls\n",
]


def opaque(script: str) -> bool:
    """Whether something of a script on standard input is not known for sure."""
    reading = read_command(script, from_input=True)
    return any(fact.action == "ssh.opaque" for fact in reading.facts) and not reading.resolved


def run_by_bash(script: str, place: Path) -> str:
    """What real bash prints, given this on standard input, through a pipe."""
    done = subprocess.run(
        ["bash", "-s"], input=script.encode(), cwd=place, capture_output=True, check=False, timeout=60
    )
    return done.stdout.decode()


@pytest.mark.parametrize("script", EATEN)
def test_a_script_that_may_eat_itself_is_not_known(script: str) -> None:
    """What a command of it reads, the shell does not: the rest means something else."""
    assert opaque(script)


@pytest.mark.parametrize("script", WHOLE)
def test_ordinary_scripts_stay_known(script: str) -> None:
    """Nothing is eaten where input comes from elsewhere, or nothing stands behind."""
    assert not opaque(script)


def test_the_same_text_as_a_command_is_known() -> None:
    """A text in an argument is read before any of it runs."""
    assert read_command("read x\n" + _RUNS_ANOTHER).resolved


def test_a_script_written_in_a_here_document_is_read_from_input_too() -> None:
    """`bash <<E` is the same script, one level down."""
    inner = "read x\ncat <<F\nrm -rf /srv\nF\n"
    assert not read_command(f"bash <<'E'\n{inner}E\n").resolved
    assert read_command("bash <<'E'\nls\nE\n").resolved


def test_real_bash_does_run_what_a_script_hides_behind_read(tmp_path: Path) -> None:
    """Why all this is: the here-document's text is run."""
    script = "read x\ncat <<E\ntouch hit\nE\n"
    run_by_bash(script, tmp_path)
    assert (tmp_path / "hit").exists()
    assert opaque(script)


_SAFE_LINES = [
    "echo a", "printf 'a\\n'", "cd .", "pwd", "ls", "mkdir d", "touch t", "chmod 600 t", "test -f t",
    "[ -f t ]", "[[ -f t ]]", "((1))", "true", ": x", "export A=1", "declare B=2", "readonly C=3",
    "umask", "ulimit -n", "sleep 0", "uname -a", "id", "groups", "df .", "uptime", "kill -0 $$",
    "stat t", "readlink -f t", "basename /a/b", "dirname /a/b", "type ls", "seq 2", "mktemp -u", "wait",
    "jobs", "let A=2", "shopt", "ps", "truncate -s 2 t", "rm -f x", "cp t u", "mv u v", "ln t w", "date",
    "du .", "cat t", "tac t", "head -n 1 t", "tail -1 t", "wc -l t", "sort t", "nl t", "rev t",
    "md5sum t", "sha256sum t", "diff t t", "cmp t t", "grep -q a t", "sed -n 1p t", "sed s/a/b/ t",
    "awk '{ print }' t", "find . -name t", "timeout 5 ls", "env A=b ls", "nice ls", "nohup ls", "command ls",
    "builtin echo a", "stdbuf -o0 ls", "! ls", "{ ls; }", "cat </dev/null", "while read l; do :; done < t",
    "ls | cat", "cat <<E\nx\nE", "cat <<< x", "for i in 1; do ls; done", "getent passwd root",
]  # fmt: skip


def test_what_is_taken_to_leave_input_alone_leaves_it_alone(tmp_path: Path) -> None:
    """Each in front of a line of its own, through a pipe, in real bash: that line is run."""
    (tmp_path / "t").write_text("a\n")
    script = "".join(f"{line}\necho reached-{number}\n" for number, line in enumerate(_SAFE_LINES))
    assert not opaque(script)
    said = run_by_bash(script, tmp_path).splitlines()
    missing = [line for number, line in enumerate(_SAFE_LINES) if f"reached-{number}" not in said]
    assert missing == []
