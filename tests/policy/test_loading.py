"""Stories of loading: what Cedar would ignore at evaluation never loads."""

from __future__ import annotations

import pytest

from gatekeep.errors import SettingsError
from gatekeep.policy.loading import examine, load

HEAD = 'principal in Group::"engineers", action in Action::"sql", resource'


def _first_error(text: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load({"jobs.cedar": text}, "policy")
    return caught.value


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f'@id("x") forbid ({HEAD}) when {{ context.tables_raed.contains("public.pay") }};', "not found"),
        (f'@id("x") forbid ({HEAD}) when {{ context.verb.contains("a") }};', "expected"),
        (f'@id("x") forbid ({HEAD}) when {{ context.approvall.mfa }};', "not found"),
        ('@id("x") forbid (principal in Grup::"e", action, resource);', "Grup"),
        ('@id("x") forbid (principal, action == Action::"sql.raed", resource);', "sql.raed"),
        (f'@id("x") forbid ({HEAD}) when {{ context.mfa_age > 900 }};', "optional"),
        (f'@id("x") forbid ({HEAD}) when {{ context.source.isLoopback() }};', "optional"),
        (f'@id("x") forbid ({HEAD}) whenn {{ true }};', "not Cedar"),
    ],
)
def test_a_typo_in_a_forbid_never_fails_open(text: str, what: str) -> None:
    """Cedar ignores a policy that errors, so a forbid with a slip must not load at all."""
    error = _first_error("\n\n" + text)
    assert error.file == "policy/jobs.cedar:3"
    assert error.key == "rule x"
    assert what in str(error)
    assert error.fix


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"permit ({HEAD});", "no @id"),
        (f"@id permit ({HEAD});", "no @id"),
        (f'@id("Not Good") permit ({HEAD});', "other characters"),
        (f'@id("x") @approvers("dba") permit ({HEAD});', "@approvers"),
        (f'@id("x") @mask permit ({HEAD});', "results are not masked by gatekeep yet"),
        (f'@id("x") @mask("email") permit ({HEAD});', "results are not masked by gatekeep yet"),
        (f'@id("x") @record("rows") permit ({HEAD});', "@record with a value"),
        (f'@id("x") @notify("#ops") permit ({HEAD});', "names no group"),
        (f'@id("x") permit ({HEAD}); @id("x") forbid ({HEAD});', "has the @id"),
        ('@id("x") permit (principal == ?principal, action in Action::"sql", resource);', "template"),
        (f'@id("x") permit ({HEAD}) when {{ {"!" * 4}{"(" * 300}true{")" * 300} }};', ""),
        (f'@id("x") permit ({HEAD}) when {{ {" && ".join(["context.tables_complete"] * 900)} }};', "nested"),
    ],
)
def test_what_a_rule_may_not_be(text: str, what: str) -> None:
    """Ids are there and unique, annotations are known, templates and monsters are refused."""
    if not what:
        examine({"a": text})
        return
    assert what in str(_first_error(text))


@pytest.mark.parametrize(
    "clause",
    [
        'permit {h} when {{ !(context has approval && context.approval.groups.contains("dba")) }};',
        'permit {h} unless {{ context has approval && context.approval.groups.contains("dba") }};',
        'forbid {h} when {{ context has approval && context.approval.groups.contains("dba") }};',
        "forbid {h} when {{ context has approval }};",
        'forbid {h} when {{ !(context has approval && context.approval.groups.contains("dba")) }};',
        ("permit {h} when {{ context has approval && context.approval.age_s > 3 && "
        'context.approval.groups.contains("dba") }};'),
        'permit {h} when {{ context has approval && context.approval.groups == ["dba"] }};',
        'permit {h} when {{ context has approval && ["dba"].containsAll(context.approval.groups) }};',
        ("permit {h} when {{ context has approval && !context.approval.mfa && "
        'context.approval.groups.contains("dba") }};'),
        ("permit {h} when {{ context has approval && context.approval.mfa == false && "
        'context.approval.groups.contains("dba") }};'),
        "permit {h} when {{ if context has approval then false else true }};",
    ],
)
def test_approval_may_only_ever_help(clause: str) -> None:
    """Any use of approval that could turn an allow into a deny is a load error."""
    error = _first_error('@id("x") ' + clause.format(h=f"({HEAD})"))
    assert "approval" in str(error)
    assert "groups.contains" in error.fix


@pytest.mark.parametrize(
    "clause",
    [
        'permit {h} when {{ context has approval && context.approval.groups.contains("dba:2") }};',
        ('forbid {h} unless {{ context has approval && context.approval.mfa && '
        'context.approval.age_s <= 600 && context.approval.groups.containsAny(["dba", "sec"]) }};'),
        ('permit {h} when {{ context.where == "present" || (context has approval.groups && '
        'context.approval.kind == "vote" && context.approval.groups.contains("dba")) }};'),
    ],
)
def test_helping_uses_of_approval_load(clause: str) -> None:
    """Groups, second factor, freshness and kind may be asked for."""
    version = load({"a": '@id("x") ' + clause.format(h=f"({HEAD})")})
    assert version.rules[0].approvers


def test_approval_without_approvers_does_not_load() -> None:
    """A rule that anybody could release names nobody, so it is refused."""
    error = _first_error(f'@id("x") permit ({HEAD}) when {{ context has approval }};')
    assert "names no group" in str(error)


@pytest.mark.parametrize(
    ("condition", "loads"),
    [
        ('context.tables_read.contains("public.salaries")', True),
        ('context.tables_read.contains("PUBLIC.SALARIES")', False),
        ('context.tables_read.contains("salaries")', False),
        ('context.tables_written.containsAny(["public.a", "B.c"])', False),
        ('["public.A"].containsAll(context.tables_read)', False),
        ('context.columns.contains("public.people.pay")', True),
        ('context.columns.contains("people.pay")', False),
    ],
)
def test_table_names_in_rules_are_canonical(condition: str, loads: bool) -> None:
    """A name that is never written so would silently never match (12-threats C6)."""
    version, problems = examine({"a": f'@id("x") forbid ({HEAD}) when {{ {condition} }};'})
    assert (version is not None) is loads
    assert loads or "lower case" in problems[0].fix


def test_all_faults_of_all_files_are_told_at_once() -> None:
    """The first is raised, the others hang at it."""
    with pytest.raises(SettingsError) as caught:
        load({"a.cedar": f"permit ({HEAD});", "b.cedar": "permit (principal"})
    assert [error.file for error in caught.value.also] == ["b.cedar:1"]


def test_lints_that_only_warn() -> None:
    """Any principal, constant, repeated, covered and unreachable rules load, and are told."""
    text = f"""
    @id("anybody") permit (principal, action == Action::"sql.read", resource);
    @id("never") permit ({HEAD}) when {{ false }};
    @id("all") permit ({HEAD});
    @id("some") permit ({HEAD}) when {{ context.where == "present" }};
    @id("some-more") permit ({HEAD}) when {{ context.where == "present" }};
    @id("stop") forbid (principal in Group::"x", action in Action::"sql", resource);
    @id("go") permit (principal in Group::"x", action in Action::"sql", resource);
    @id("ticketed") forbid ({HEAD}) unless {{ context has ticket }};
    """
    version, problems = examine({"a": text})
    assert version is not None
    told = {problem.rule: problem.what for problem in problems}
    assert set(told) == {"anybody", "never", "some", "some-more", "go", "ticketed"}
    assert "any principal" in told["anybody"]
    assert "out of reach: rule stop" in told["go"]
    assert not any(problem.error for problem in problems)


def test_the_digest_is_of_names_and_texts() -> None:
    """Another text, another name, or a text moved between files is another version."""
    one = load({"a": f'@id("x") permit ({HEAD});', "b": ""})
    other = load({"a": "", "b": f'@id("x") permit ({HEAD});'})
    again = load({"b": "", "a": f'@id("x") permit ({HEAD});'}, "elsewhere")
    assert one.digest == again.digest != other.digest
    assert len(one.name) == 12
    assert one.digest.startswith(one.name)


def test_a_rule_that_believes_in_masks_is_told_what_to_do() -> None:
    """Whoever wrote @mask would believe that rows are masked: file, line, rule and a way out."""
    error = _first_error(f'\n@id("salaries")\n@mask("salary") permit ({HEAD});')
    assert (error.file, error.key) == ("policy/jobs.cedar:2", "rule salaries")
    assert error.fix == "take @mask out, or deny the columns: context.columns"


def test_a_version_knows_what_its_rules_read() -> None:
    """The cache key and the bounds of facts are made from this."""
    version = load(
        {
            "a": f'@id("p") permit ({HEAD}) when {{ context.verb == "SELECT" }};'
            f'@id("f") @notify("ops") @record forbid ({HEAD}) when {{ context.tags.contains("x") }};'
        }
    )
    assert version.reads == {"verb", "tags"}
    assert version.forbid_reads == {"tags"}
    assert version.rules[1].obligations == {"notify:ops", "record"}
