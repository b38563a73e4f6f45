"""Commands that stand before another one, and the options by which that one is found. A table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Prefix:
    """A command that stands before another one.

    `flags` are its short options without a value, `valued` those with one; `long_valued` the long
    options that take the next word; `skips` how many words stand before the inner command.
    """

    flags: str = ""
    valued: str = ""
    long: str = ""
    long_valued: str = ""
    skips: int = 0
    assigns: bool = False


PREFIXES: Final = {
    "sudo": Prefix("AbBeEHnPSKklvVNis", "ugpCcDhRrTtU",
                   "askpass background bell edit list validate remove-timestamp reset-timestamp version preserve-env set-home remove-timestamp stdin non-interactive login shell",
                   "user group prompt close-from chdir host chroot role type command-timeout other-user", assigns=True),
    "doas": Prefix("nLs", "uCa"),
    "env": Prefix("i0v", "uCS", "ignore-environment null debug block-signal default-signal ignore-signal",
                  "unset chdir split-string argv0", assigns=True),
    "nice": Prefix("0123456789", "n", "", "adjustment"),
    "ionice": Prefix("t", "cnpPu", "ignore", "class classdata pid pgid uid"),
    "nohup": Prefix(),
    "timeout": Prefix("fpv", "ks", "foreground preserve-status verbose", "kill-after signal", skips=1),
    "time": Prefix("pavq", "fo", "portability append verbose quiet", "format output"),
    "stdbuf": Prefix("", "ioe", "", "input output error"),
    "setsid": Prefix("cfw", "", "ctty fork wait"),
    "xargs": Prefix("0prtxoei", "adEILlnPs", "null no-run-if-empty verbose exit interactive open-tty eof replace max-lines",
                    "arg-file delimiter max-args max-procs max-chars process-slot-var"),
    "strace": Prefix("cCdDfFhiknqrtTvVwxyYzZ", "abeEIoOpPsSuUX", "", ""),
    "ltrace": Prefix("bcCfhiLnrStTV", "aAdDeFlnopsuwx", "", ""),
    "chroot": Prefix("", "", "skip-chdir", "userspec groups", skips=1),
    "nsenter": Prefix("amuinpCUTrwWFZce", "tSGN", "all mount uts ipc net pid cgroup user time root wd no-fork preserve-credentials",
                      "target setuid setgid"),
    "unshare": Prefix("muinpCUTfrcz", "SGRwl", "mount uts ipc net pid cgroup user time fork map-root-user map-current-user mount-proc kill-child keep-caps",
                      "map-user map-group map-users map-groups propagation setgroups setuid setgid root wd"),
    "command": Prefix("pvV"),
    "builtin": Prefix(),
    "exec": Prefix("cl", "a"),
    "coproc": Prefix(),
    "taskset": Prefix("apc", "", "all-tasks pid cpu-list", "", skips=1),
    "chrt": Prefix("abdfiorRmpv", "TPD", "", "", skips=1),
    "numactl": Prefix("sHlaV", "iNmCpPS", "", "" ),
    "setarch": Prefix("vRFZLXBIST3", "p", "", "", skips=1),
    "linux64": Prefix("vRFZLXBIST3"),
    "linux32": Prefix("vRFZLXBIST3"),
    "pkexec": Prefix("", "", "disable-internal-agent keep-cwd", "user"),
    "gosu": Prefix(skips=1),
    "su-exec": Prefix(skips=1),
    "setuidgid": Prefix(skips=1),
    "chpst": Prefix("vP012", "uUbenlmdofpcrt/"),
    "runcon": Prefix("c", "turl", "", "type user role range"),
    "setpriv": Prefix("d", "", "dump nnp no-new-privs clear-groups keep-groups init-groups reset-env",
                      "ambient-caps inh-caps bounding-set ruid euid rgid egid reuid regid groups securebits pdeathsig selinux-label apparmor-profile"),
    "prlimit": Prefix("", "po", "", "pid output"),
    "fakeroot": Prefix("u", "libs", "unknown-is-real", "lib faked"),
    "faketime": Prefix("fm", "p", "", "", skips=1),
    "unbuffer": Prefix("p"),
    "rlwrap": Prefix("AaceEimnNoRrtuvw", "bCDfFgHIlMpPqsStTz"),
    "torsocks": Prefix(),
    "torify": Prefix(),
    "proxychains": Prefix("q", "f"),
    "proxychains4": Prefix("q", "f"),
    "dbus-run-session": Prefix("", "", "", "config-file dbus-daemon"),
    "sshpass": Prefix("ev", "fdpP"),
    "busybox": Prefix(),
    "toybox": Prefix(),
    "nocache": Prefix(),
    "catchsegv": Prefix(),
    "cgexec": Prefix("", "g", "sticky", ""),
    "systemd-inhibit": Prefix("", "", "", "what who why mode"),
    "valgrind": Prefix("qv"),
    "systemd-run": Prefix("rdGqtPS", "HMup", "user system scope remain-after-exit send-sighup pty pipe quiet wait collect shell same-dir"
                          " no-block no-ask-password", "host machine unit property description slice uid gid nice working-directory setenv"
                          " on-active on-boot on-startup on-unit-active on-calendar timer-property path-property service-type"),
    "ld.so": Prefix("", "", "list verify inhibit-cache", "library-path inhibit-rpath audit preload argv0"),
}  # fmt: skip


def prefix_of(program: str) -> Prefix | None:
    """How a program stands before another one; None where it does not."""
    if program.startswith("ld-") and ".so" in program:
        return PREFIXES["ld.so"]
    return PREFIXES.get(program)
