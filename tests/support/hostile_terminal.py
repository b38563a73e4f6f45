"""What a hostile target may print at a reviewer, and the check that none of it reaches a terminal."""

from __future__ import annotations

import unicodedata

from gatekeep.recordings.painter import ALLOWED

MARK = b"(seen)"
HOSTILE: dict[str, bytes] = {
    "clipboard": b"\x1b]52;c;cm0gLXJmIC8K\x07",
    "clipboard read": b"\x1b]52;c;?\x1b\\",
    "title": b"\x1b]0;rm -rf /\x07",
    "title by ST": b"\x1b]2;x\x1b\\",
    "icon": b"\x1b]1;x\x07",
    "title report": b"\x1b[21t",
    "window size report": b"\x1b[18t",
    "resize": b"\x1b[8;9999;9999t",
    "iconify": b"\x1b[2t",
    "status report": b"\x1b[5n\x1b[6n\x1b[?6n",
    "attributes": b"\x1b[c\x1b[>c\x1b[=c\x1bZ",
    "answerback": b"\x05",
    "DECRQSS": b'\x1bP$q"p\x1b\\',
    "DECUDK": b"\x1bP0;1|17/726d202d7266\x1b\\",
    "termcap query": b"\x1bP+q544e\x1b\\",
    "sixel": b"\x1bPq#0;2;0;0;0#0~~@@vv@@~~$-\x1b\\",
    "ReGIS": b"\x1bPpS(E)\x1b\\",
    "hyperlink": b"\x1b]8;;https://evil.example/\x07click\x1b]8;;\x07",
    "iTerm file": b"\x1b]1337;File=name=Lg==;inline=1:AAAA\x07",
    "iTerm profile": b"\x1b]50;SetProfile=evil\x07",
    "palette": b"\x1b]4;1;?\x07\x1b]104\x07",
    "colour query": b"\x1b]10;?\x07\x1b]11;?\x07",
    "notification": b"\x1b]9;pay\x07\x1b]777;notify;a;b\x07",
    "working directory": b"\x1b]7;file:///etc\x07",
    "shell marks": b"\x1b]133;A\x07\x1b]7717;1;eA==;00\x07",
    "8-bit CSI": b"\x9b31m\x9b6n",
    "8-bit OSC": b"\x9d52;c;eA==\x9c",
    "8-bit DCS": b'\x90$q"p\x9c',
    "C1 as UTF-8": "\x9b6n\x9d0;evil\x9c\x90q\x9c".encode(),
    "APC": b"\x1b_Gf=100,a=T;AAAA\x1b\\",
    "PM and SOS": b"\x1b^x\x1b\\\x1bXy\x1b\\",
    "broken UTF-8": b"\xc3\x28\xe2\x82\xf0\x9f\xed\xa0\x80\xff\xfe",
    "overlong": b"\xc0\x9b\xe0\x80\x9b\xc1\x9b",
    "cut character": b"\xf0\x9f\x98",
    "huge repeat": b"x\x1b[99999999999999999999b",
    "huge parameter": b"\x1b[" + b"9" * 5000 + b"C\x1b[999999999L\x1b[999999999@",
    "many parameters": b"\x1b[" + b"1;" * 5000 + b"m",
    "unending OSC": b"\x1b]0;" + b"A" * 100_000 + b"\x07",
    "unending DCS": b"\x1bP" + b"B" * 100_000 + b"\x1b\\",
    "scroll region": b"\x1b[5;2r\x1b[0;0r\x1b[999;1000r",
    "mouse and focus": b"\x1b[?1000h\x1b[?1003h\x1b[?1004h\x1b[?1006h",
    "bracketed paste": b"\x1b[?2004h",
    "132 columns": b"\x1b[?3h\x1b[?40h",
    "alternate screen": b"\x1b[?1049h\x1b[?47h\x1b[?1049l",
    "reset": b"\x1bc\x1b[!p",
    "printer": b"\x1b[5i\x1b[4i\x1b[?5i",
    "character sets": b"\x1b(0\x0eqqq\x0f\x1b(B\x1b%G\x1b%@",
    "line drawing locked": b"\x1bn\x1bo\x1b|\x1b}\x1b~",
    "keyboard": b"\x1b[>4;2m\x1b[>1u\x1b=\x1b>",
    "locator": b"\x1b[1;2'z\x1b['|",
    "checksum": b"\x1b[1;1;1;1;9;9*y",
    "synchronised": b"\x1b[?2026h\x1bP=1s\x1b\\",
    "bell": b"\x07\x07\x07",
    "bidi": "\u202ejalp\u202c\u2066x\u2069\u061c".encode(),
    "zero width": "a\u200bb\u200dc\ufeffd\u2060e".encode(),
    "zalgo": ("z" + "\u0301" * 5000).encode(),
    "separators": "a\u2028b\u2029c\u0085d".encode(),
    "private use": "\ue000\U000f0000\U0010fffd".encode(),
    "tags": "\U000e0041\U000e007f".encode(),
    "concealed": b"\x1b[8mhidden\x1b[28m",
    "on itself": b"\x1b[30;40mhidden\x1b[0m\x1b[38;2;1;2;3;48;2;1;2;4mhidden\x1b[0m",
    "saved cursors": b"\x1b7" * 3000 + b"\x1b8" * 3000,
    "cancelled": b"\x1b]0;x\x18\x1b[3\x1aJ",
    "NUL and DEL": b"\x00a\x7fb\x00",
}

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def stream(name: str) -> bytes:
    """One hostile thing between two marks, the second one behind all that could swallow it."""
    return MARK + HOSTILE[name] + b"\x18\x1b[0m\r\n" + MARK + b"\r\n"


def forbidden(text: str) -> str:
    """What in `text` no terminal of ours may get: nothing, if it is a painter's or plain text."""
    left = ALLOWED.sub("", text.replace("\r\n", "").replace("\n", "").replace("\t", ""))
    hidden = [c for c in text if unicodedata.category(c) in _HIDDEN and c not in "\x1b\r\n\t"]
    return left + "".join(hidden)
