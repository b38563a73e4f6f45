"""One-time codes: RFC 6238's own values, a narrow window, and each code once."""

from __future__ import annotations

import pytest
from support.clock import MovedClock

from gatekeep.documents import everything
from gatekeep.errors import SettingsError
from gatekeep.identity.principals import principals_of
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.totp import STEP_S, OneTimeCodes, code_at, decoded_secret, read_totp

SECRET = b"12345678901234567890"
IN_BASE32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def codes(clock: MovedClock) -> OneTimeCodes:
    """The codes of alice alone."""
    made = OneTimeCodes(clock)
    made.reload({"alice": SECRET})
    return made


def shown(clock: MovedClock, steps: int = 0) -> str:
    """What alice's telephone shows, some steps from now."""
    return code_at(SECRET, clock.wall_us() // 1_000_000 // STEP_S + steps)


@pytest.mark.parametrize(
    ("second", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"),
     (2000000000, "279037"), (20000000000, "353130")],
)  # fmt: skip
def test_values_of_the_standard(second: int, code: str) -> None:
    """The last six digits of the table in RFC 6238, appendix B."""
    assert code_at(SECRET, second // STEP_S) == code


@pytest.mark.parametrize(("steps", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])  # fmt: skip
def test_one_step_early_or_late(*, steps: int, counts: bool) -> None:
    """A clock may be half a minute off, and no more."""
    clock = MovedClock()
    assert codes(clock).accept("alice", shown(clock, steps)) is counts


def test_each_code_counts_once() -> None:
    """Who saw a code being typed cannot use it, nor an older one, nor after the clock went back."""
    clock = MovedClock()
    desk = codes(clock)
    code = shown(clock)
    assert desk.accept("alice", code)
    assert not desk.accept("alice", code)
    assert not desk.accept("alice", shown(clock, -1))
    desk.reload({"alice": SECRET})
    assert not desk.accept("alice", code)
    clock.step_s(-STEP_S)
    assert not desk.accept("alice", code)
    clock.pass_s(2 * STEP_S)
    assert desk.accept("alice", shown(clock))


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "-12345", "12345\n"])
def test_what_is_no_code_is_refused(code: str) -> None:
    """Anything but six ASCII digits, without an error."""
    assert not codes(MovedClock()).accept("alice", code)


def test_nobody_else_has_codes() -> None:
    """A principal without a secret needs none, and none counts."""
    clock = MovedClock()
    desk = codes(clock)
    assert desk.has("alice")
    assert not desk.has("bob")
    assert not desk.accept("bob", shown(clock))


def test_secrets_as_apps_show_them() -> None:
    """Blanks, hyphens, lower case and missing padding are fine; short or other texts are not."""
    assert decoded_secret(IN_BASE32) == SECRET
    assert decoded_secret("gezd gnbv-gy3t qojq GEZDGNBVGY3TQOJQ") == SECRET
    assert [decoded_secret(text) for text in ("", "GEZDGNBV", "not base32!", "0189" * 8)] == [None] * 4


def test_secrets_come_from_references_and_faults_are_told_together() -> None:
    """Each fault names its principal; no fault repeats a secret."""
    entries = principals_of(
        {
            "principals": [
                {"name": "alice", "totp": "env:ALICE"},
                {"name": "bob", "totp": "env:SHORT"},
                {"name": "carol", "totp": "env:NONE"},
                {"name": "dave"},
            ]
        },
        "principals.yaml",
    )
    reader = SecretReader({"ALICE": IN_BASE32, "SHORT": "HUNTER22"})
    assert read_totp([entries[0], entries[3]], reader) == {"alice": SECRET}
    with pytest.raises(SettingsError) as caught:
        read_totp(entries, reader)
    told = [str(error) for error in everything(caught.value)]
    assert [line.split(": ")[1] for line in told] == ["principals[1].totp", "principals[2].totp"]
    assert "HUNTER22" not in "".join(told)
