"""Stories of the scanner: where policies begin and end."""

from __future__ import annotations

import pytest

from gatekeep.policy.scanner import CutError, cut


def test_strings_comments_and_braces_do_not_end_a_policy() -> None:
    """A semicolon in a string, a comment or a nested block is not the end of a policy."""
    text = (
        '// not ; a policy "\n'
        '@id("a;b") @why("say \\"no\\"; // here")\n'
        "permit (principal, action, resource) // tail ;\n"
        'when { context.x == "}" && { "a": [1] }.a == [1] };\n'
        "\n\n"
        'forbid (principal, action, resource); @id("c")\npermit (principal, action, resource);'
    )
    pieces = cut(text)
    assert [piece.line for piece in pieces] == [2, 7, 7]
    assert [piece.guessed_id for piece in pieces] == ["a;b", "", "c"]
    assert pieces[0].text.startswith("@id")
    assert pieces[0].text.endswith("};")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ('\n\n@id("x")\npermit (principal, action, resource)', 3, "semicolon"),
        ('@id("x") permit (principal, action, resource) when { "a };', 1, "string"),
        ("\npermit (principal, action, resource;", 2, "not closed"),
        ("permit (principal, action, resource)};", 1, "closes nothing"),
        ("permit (principal, action}, resource);", 1, "closes nothing"),
    ],
)
def test_what_cannot_be_cut_names_the_line_where_its_policy_begins(
    text: str, line: int, what: str
) -> None:
    """Broken strings and brackets are reported at the policy they are in."""
    with pytest.raises(CutError) as caught:
        cut(text)
    assert caught.value.line == line
    assert what in caught.value.what


def test_an_empty_file_holds_no_policy() -> None:
    """Blank lines and comments alone are no policy and no error."""
    assert cut("\n// nothing here\n\n") == []
