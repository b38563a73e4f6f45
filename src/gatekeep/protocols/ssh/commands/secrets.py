"""Takes secrets out of command lines, so that events and people see the rest.

Works on the text alone, quoted or not, nested or not, complete or not, by where secrets stand:
behind names of options, variables and headers, in addresses, in shapes of well-known tokens. Masks
too much rather than too little; each search is bounded, so the whole is linear.
"""

from __future__ import annotations

import re
from typing import Final

#: What stands where a secret stood.
MASK: Final = "***"

_ESCAPED_QUOTES: Final = r"""\\{1,3}(?P<q{n}>["'])(?:(?!\\{{1,3}}(?P=q{n}))[^\n]){{0,300}}\\{{1,3}}(?P=q{n})"""
_PIECE: Final = (
    r"""(?:\$?'[^']*(?:'|$)|\$?"(?:[^"\\]|\\.)*(?:"|$)|\\[^"'\s]|\\\s|[^\s;&|<>()'"`\\])"""
)
_NUMBERS = iter(range(100))


def _value() -> str:
    """A word of a shell, quoted as may be, or one whose quotes are quoted themselves."""
    return rf"(?:{_ESCAPED_QUOTES.replace('{n}', str(next(_NUMBERS))).replace('{{', '{').replace('}}', '}')}|{_PIECE}+)"


_CALLED: Final = (
    r"(?:pass(?:word|wd|phrase|code|in|out)?|pwd|secret|token|api[_-]?key|access[_-]?key(?:[_-]?id)?|private[_-]?key|auth[_-]?key"
    r"|credentials?|session[_-]?key|encryption[_-]?key|signing[_-]?key|master[_-]?key|account[_-]?key|shared[_-]?key|connection[_-]?string|database[_-]?url|dsn"
    r"|bearer|cookie|otp|psk|mysql_pwd|pgpass)"
)
_NAME: Final = rf"(?<![A-Za-z0-9_])[A-Za-z0-9_.-]{{0,60}}?{_CALLED}[A-Za-z0-9_]{{0,40}}"
_I: Final = re.IGNORECASE

#: In the first group stands what is kept, the rest is masked.
_EVERYWHERE: Final = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)(?:(?!-----END)[\s\S]){0,20000}", 0),
        (rf"({_NAME}\\{{0,3}}[\"']?\s{{0,3}}(?:\+?=|:|=>)\s{{0,3}}){_value()}", _I),
        (rf"((?<=[\s\"'(])--?{_NAME[len('(?<![A-Za-z0-9_])'):]}\s{{1,5}})(?!-)" + _value(), _I),
        (
            r"((?:authorization|x-[a-z-]{0,30}(?:key|token|auth|secret)|(?:set-)?cookie|private-token|api-?key)\\?[\"']?\s{0,3}:\s{0,3})[^'\"\n]{1,4000}",
            _I,
        ),
        (r"(\b(?:bearer|basic|negotiate|digest)\s{1,3})[A-Za-z0-9._~+/=-]{6,4000}", _I),
        (r"([a-z][a-z0-9+.-]{0,20}://[^\s/:@'\"]{0,200}:)[^\s'\"]{1,300}(?=@)", _I),
        (r"([a-z][a-z0-9+.-]{0,20}://)[^\s/:@'\"]{8,300}(?=@)", _I),
        (rf"(\b(?:password|identified\s{{1,3}}by(?:\s{{1,3}}password)?|passwd)\s{{0,3}}[(=]?\s{{0,3}}\\{{0,3}})(?=['\"\\]){_value()}", _I),
        (r"(\bpass:)" + _value(), 0),
        (r"(\b(?:AKIA|ASIA))[0-9A-Z]{16}\b", 0),
        (r"(\bgh[pousr]_|\bgithub_pat_|\bglpat-|\bxox[abeprs]-|\bsk_live_|\brk_live_|\bsk-|\bAIza|\bhvs\.|\bnpm_|\bpypi-|\bSG\.|\bdop_v1_)[A-Za-z0-9._-]{12,400}", 0),
        (r"(\beyJ)[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{4,4000}(?:\.[A-Za-z0-9_-]{0,4000})?", 0),
        (r"(\b(?:aws_secret_access_key|aws_session_token)\s{1,3})" + _value(), _I),
    )
)  # fmt: skip

#: Options of programs whose value is a secret: letters with an attached or a following value,
#: and in capitals after a `+`, letters with an attached value only.
_OPTIONS: Final = {
    "mysql mariadb mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlsh 7z 7za 7zz rar unrar": ("", "p"),
    "sshpass mongo mongosh mongodump mongorestore useradd usermod": ("p", ""),
    "docker podman nerdctl az helm oc skopeo buildah": ("p", ""),
    "redis-cli": ("a", ""),
    "curl": ("uU", ""),
    "ldapsearch ldapmodify ldapadd ldapdelete ldapwhoami ldappasswd": ("wys", ""),
    "smbclient rpcclient net": ("U", ""),
    "zip unzip ipmitool": ("P", ""),
    "snmpwalk snmpget snmpset snmpbulkwalk": ("cAX", ""),
    "lftp ncftp": ("u", ""),
    "openssl": ("kK", ""),
    "sqlcmd bcp": ("P", ""),
    "http https xh": ("a", ""),
    "wg openconnect": ("p", ""),
    "rdesktop xfreerdp": ("p", ""),
}  # fmt: skip
_WORDS_OF: Final = (
    (r"htpasswd\b[^\n;&|]{0,200}?\s-[a-zA-Z]{0,8}b[a-zA-Z]{0,8}\s{1,3}(?:[^\s;&|]{1,200}\s{1,3}){1,2}", ""),
    (r"\bsqlplus\s{1,3}(?:-\S{1,20}\s{1,3}){0,5}\\?[\"']?[^\s/'\"]{1,100}/", ""),
    (r"\bvault\s{1,3}(?:login|write)\s{1,3}(?:-\S{1,40}\s{1,3}){0,5}", ""),
    (r"--from-literal(?:=|\s{1,3})\\?[\"']?[^\s=]{1,100}=", ""),
    (r"\bsshpass\s{1,3}(?:-\S{1,40}\s{1,3}){0,3}-p\s{0,3}", ""),
    (r"/p:", ""),
)
_AFTER: Final = tuple(re.compile(rf"({start}){_value()}") for start, _ in _WORDS_OF)

_TAKES_ONE: Final = (
    r"(?:sudo|su|passwd|chpasswd|kinit|cryptsetup|openssl|gpg2?|mysql|smbpasswd|saslpasswd2|vault|ssh-add|pdbedit"
    r"|(?:docker|podman|helm|oc|skopeo|gh|aws|npm)\b[^|\n]{0,80}\blogin)\b"
)
_PIPED: Final = re.compile(
    rf"(\b(?:echo|printf)\s)(?:'[^'\n]{{0,300}}'|\"[^\"\n]{{0,300}}\"|[^|\n'\"]){{1,500}}(?=\|\s{{0,5}}(?:\S{{0,60}}/)?{_TAKES_ONE})"
)
_GIVEN: Final = re.compile(rf"({_TAKES_ONE}[^\n;|]{{0,200}}?<<<\s{{0,3}}){_value()}")
_SEGMENT: Final = re.compile(r"[;&|](?=\s)|\n")


def _of_programs() -> dict[str, re.Pattern[str]]:
    made = {}
    for names, (loose, tight) in _OPTIONS.items():
        parts = [rf"[A-Za-z0-9]{{0,8}}?[{loose}](?:\s{{1,5}}(?!-)|=)?(?!\s)"] if loose else []
        parts += [rf"[{tight}](?!\s)"] if tight else []
        option = re.compile(rf"((?<=\s)-(?:{'|'.join(parts)})){_value()}")
        made.update(dict.fromkeys(names.split(), option))
    return made


_PROGRAMS: Final = _of_programs()
_PROGRAM: Final = re.compile(
    rf"(?<![A-Za-z0-9_.-])(?:{'|'.join(map(re.escape, sorted(_PROGRAMS, key=len, reverse=True)))})(?=\s)"
)
_HINT: Final = re.compile(
    r"pass|pwd|secret|token|key|cred|dsn|bearer|cookie|otp|psk|authorization|basic|negotiate|digest|://"
    r"|identified|database|-----BEGIN|AKIA|ASIA|AIza|eyJ|gh[pousr]_|glpat|xox|sk[_-]|rk_|hvs\.|npm_|pypi|SG\.|dop_v1"
    r"|connection|auth|sqlplus|vault|--from-literal|/p:|<<<|echo|printf|" + "|".join(
        re.escape(name) for names in _OPTIONS for name in names.split()),
    _I,
)  # fmt: skip


def redact_command(text: str) -> str:
    """The text with every secret that is known by its place or shape masked."""
    if _HINT.search(text) is None:
        return text
    text = _without_options(text)
    for pattern in (*_AFTER, _PIPED, _GIVEN, *_EVERYWHERE):
        text = pattern.sub(_masked, text)
    return text


def _masked(found: re.Match[str]) -> str:
    return f"{found[1]}{MASK}"


def _without_options(text: str) -> str:
    """Mask option values between a program's name and the end of its command."""
    kept: list[str] = []
    done = end = 0
    looked: dict[re.Pattern[str], int] = {}
    for found in _PROGRAM.finditer(text):
        option = _PROGRAMS[found[0]]
        if found.end() > end or not end:
            ends = _SEGMENT.search(text, found.end())
            end = ends.start() if ends else len(text)
        start = max(found.end(), done)
        if looked.get(option, 0) >= end:
            continue
        looked[option] = end
        while start < end and (secret := option.search(text, start, end)) is not None:
            whole = option.match(text, secret.start()) or secret
            kept += (text[done : whole.start()], _masked(whole))
            done = start = whole.end()
    return "".join((*kept, text[done:])) if kept else text
