"""From a command line to its simple commands, by tree-sitter's grammar of bash.

Finds what is run, with which words and redirections; what it means is for `command` and below. A
tree that may differ from what bash reads is `doubtful`, never mended. Nothing recurses.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tree_sitter import Node

from gatekeep.protocols.ssh.commands.gaps import (
    are_apart,
    are_blank,
    are_clean,
    holds_missed_code,
    last_line,
    line_of,
)
from gatekeep.protocols.ssh.commands.parsing import encoded, tree_of
from gatekeep.protocols.ssh.commands.script import Redirection, Script, SimpleCommand
from gatekeep.protocols.ssh.commands.words import HOLE, KEYWORDS, Word, plain, read_word

_WORDS: Final = frozenset(
    {
        "word", "string", "raw_string", "ansi_c_string", "translated_string", "concatenation",
        "simple_expansion", "expansion", "command_substitution", "process_substitution",
        "arithmetic_expansion", "brace_expression", "number", "extglob_pattern", "variable_name",
        "regex",
    }
)  # fmt: skip
_REDIRECTING: Final = frozenset({"file_redirect", "heredoc_redirect", "herestring_redirect"})
_SUBSTITUTING: Final = frozenset({"command_substitution", "process_substitution"})
_QUOTED: Final = frozenset({"raw_string", "ansi_c_string"})
#: A substitution begins here, unless backslashes stand before it.
_CODE: Final = re.compile(rb"(?<!\\)(?:\\\\)*(?:`|\$\((?!\()|[<>]\()")
_OF_HEREDOC: Final = frozenset(
    {"heredoc_start", "heredoc_end", "heredoc_body", "file_descriptor", "<<", "<<-"}
)
_ONLY_BASH: Final = frozenset(
    {
        "&>", "&>>", "|&", "[[", "((", "function", "herestring_redirect", "c_style_for_statement",
        "process_substitution", "select", "subscript", "array",
    }
)  # fmt: skip
_SAME_LINE: Final = re.compile(rb"(?:[ \t]|\\\n)*")
#: Control characters and blanks that are none to the shell, or not in every locale.
_ODD: Final = re.compile(
    rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8f\xa8-\xaf]|\xe2\x81[\x9f-\xaf]"
    rb"|\xe3\x80\x80|\xef\xbb\xbf"
)
_SUBTLE: Final = re.compile(rb"\$\{[^}]{0,200}@[PA]\}|\{\w{1,80}\}[<>]")


def read_script(text: str) -> Script | None:
    """The simple commands of a text; None where it is too large or too deep to be looked at."""
    source = encoded(text)
    root = None if source is None else tree_of(source)
    return None if source is None or root is None else _Walk(source).over(root)


class _Walk:
    """One pass over the tree in the order of the text, on a stack of its own."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._script = Script()
        self._stack: list[tuple[Node, bool]] = []
        self._redirected: dict[int, list[Node]] = {}

    def over(self, root: Node) -> Script:
        """Everything below the root."""
        script, source = self._script, self._source
        script.broken, script.last_line = root.has_error, last_line(source, root)
        script.doubtful = (
            _ODD.search(source) is not None
            or _SUBTLE.search(source) is not None
            or not are_blank(source, 0, root.start_byte)
            or not are_blank(source, root.end_byte, len(source))
        )
        self._stack.append((root, False))
        while self._stack:
            node, piped = self._stack.pop()
            kind = node.type
            if kind in _ONLY_BASH:
                script.bash = True
            _VISITS.get(kind, _Walk.anything)(self, node, piped)
        return script

    # --- kinds of nodes ----------------------------------------------------------------------

    def anything(self, node: Node, piped: bool) -> None:
        """A structure: what it is made of, in order, with blanks between; redirections alone."""
        self._note(node)
        children = node.children
        if not children:
            return
        self._script.doubtful |= not are_clean(self._source, node, children)
        redirecting = [child for child in children if child.type in _REDIRECTING]
        if redirecting:
            made = SimpleCommand(piped=piped, at=node.start_byte)
            for child in redirecting:
                self._redirect(child, made)
            self._script.commands.append(made)
        self._push([child for child in children if child.type not in _REDIRECTING], piped=piped)

    def word(self, node: Node, piped: bool) -> None:  # noqa: ARG002 - as the table calls it
        """A word that is no command's, such as one of a `for`: what it runs is inside of it."""
        self._note(node)
        self._inside((node,))

    def command(self, node: Node, piped: bool, into: SimpleCommand | None = None) -> None:
        """One simple command."""
        made = into or SimpleCommand(piped=piped, at=node.start_byte)
        children = node.children
        end = -1
        for child in children:
            self._script.doubtful |= end >= 0 and not self._parted(end, child)
            end = child.end_byte
            self._part(child, made)
        for redirect in self._redirected.pop(node.id, ()):
            self._redirect(redirect, made)
        if into is None:
            self._script.commands.append(made)
        self._inside(children)

    def redirected(self, node: Node, piped: bool) -> None:
        """A command and its redirections, or a loop or group with some."""
        for one, two in itertools.pairwise(node.children):
            gap = self._source[one.end_byte : two.start_byte]
            self._script.doubtful |= _SAME_LINE.fullmatch(gap) is None
        redirects = [child for child in node.children if child.type in _REDIRECTING]
        body = [child for child in node.children if child.type not in _REDIRECTING]
        last = self._last_command(body[-1]) if body else None
        if last is not None:
            self._redirected[last.id] = redirects
            self._push(body, piped=piped)
        else:
            made = SimpleCommand(piped=piped, at=node.start_byte)
            for child in redirects:
                self._redirect(child, made)
            self._script.doubtful |= bool(made.words)
            self._script.commands.append(made)
            self._push(body, piped=piped or made.fed)
        beside = [one for child in redirects for one in self._beside(child)]
        self._stack[:0] = [(one, False) for one in reversed(beside)]
        self._inside(redirects)

    def _last_command(self, node: Node) -> Node | None:
        """The command that a redirection at the end belongs to: the last of a list, not the list."""
        while node.type in ("list", "pipeline", "negated_command") and node.children:
            node = node.children[-1]
        return node if node.type in ("command", "declaration_command", "unset_command") else None

    def pipeline(self, node: Node, piped: bool) -> None:
        """Behind a bar, input comes out of another command."""
        children = node.children
        self._script.doubtful |= not are_clean(self._source, node, children)
        leads = children[0].type in ("|", "|&")
        self._stack.extend(
            (children[at], piped or leads or at > 0) for at in range(len(children) - 1, -1, -1)
        )

    def passing(self, node: Node, piped: bool) -> None:
        """`!`, lists and groups: what they read from is what their parts read from."""
        self._script.doubtful |= not are_clean(self._source, node, node.children)
        self._push(node.children, piped=piped)

    def declaration(self, node: Node, piped: bool, into: SimpleCommand | None = None) -> None:
        """`export`, `declare`, `unset` and the like."""
        self.command(node, piped, into)

    def test(self, node: Node, piped: bool) -> None:
        """`[ … ]`, `[[ … ]]`: its operators are words like the others."""
        made = SimpleCommand(piped=piped, at=node.start_byte)
        waiting = list(reversed(node.children))
        while waiting:
            child = waiting.pop()
            if child.type in _WORDS:
                self._word(child, made)
            elif not child.child_count:
                made.words.append(plain(self._text(child)))
            else:
                waiting.extend(reversed(child.children))
        self._note(node)
        self._script.bash |= made.words[0].value == "[["
        for one, two in (node.children[:2], node.children[-2:]):
            self._script.doubtful |= not self._parted(one.end_byte, two)
        self._script.commands.append(made)
        self._inside(node.children)

    def assignment(self, node: Node, piped: bool) -> None:
        """Assignments without a command."""
        made = SimpleCommand(piped=piped, at=node.start_byte)
        alone = node.type == "variable_assignment"
        for child in [node] if alone else node.children:
            self._part(child, made)
        self._script.commands.append(made)
        self._inside((node,))

    def function(self, node: Node, piped: bool) -> None:  # noqa: ARG002 - as the table calls it
        """A function: its body may run at any time."""
        named = node.child_by_field_name("name")
        if named is not None:
            self._script.functions.add(self._text(named))
        self.anything(node, piped=False)

    def compound(self, node: Node, piped: bool) -> None:
        """`{ … }`, or `((…))`, which may run what a variable's text says."""
        if node.children and node.children[0].type == "((":
            unknown = Word(self._text(node), HOLE, literal=False)
            self._script.commands.append(SimpleCommand([plain("(("), unknown], at=node.start_byte))
            self._script.bash = True
            self._inside((node,))
        else:
            self.passing(node, piped)

    # --- parts of commands -------------------------------------------------------------------

    def _part(self, child: Node, made: SimpleCommand) -> None:
        kind = child.type
        if kind == "command_name":
            self._script.doubtful |= self._text(child) in KEYWORDS
            self._word(child.children[0] if child.children else child, made)
        elif kind == "variable_assignment":
            if made.words:
                self._word(child, made)
            self._assign(child, made)
        elif kind in _REDIRECTING:
            self._redirect(child, made)
            self._stack.extend((one, False) for one in self._beside(child))
        elif kind == "comment":
            pass
        elif child.is_error or child.is_missing or kind in ("subshell", "ERROR", "(", ")"):
            self._script.doubtful = True
            self._stack.append((child, False))
        else:
            self._word(child, made)

    def _word(self, node: Node, made: SimpleCommand) -> None:
        if node.type == "variable_assignment":
            parts = [read_word(child, self._source) for child in node.children]
            value = "".join(part.value for part in parts)
            word = Word(self._text(node), value, literal=all(part.literal for part in parts))
        else:
            word = read_word(node, self._source)
        self._script.doubtful |= word.odd
        self._script.bash |= word.bash
        made.words.append(word)

    def _assign(self, node: Node, made: SimpleCommand) -> None:
        children = node.children
        value = plain("")
        if len(children) > len(("name", "=")):
            value = read_word(children[-1], self._source)
        self._script.doubtful |= not children or any(
            one.end_byte != two.start_byte for one, two in itertools.pairwise(children)
        )
        made.assignments.append((self._text(children[0]) if children else "", value))
        self._script.doubtful |= value.odd

    def _redirect(self, node: Node, made: SimpleCommand) -> None:
        if node.type == "heredoc_redirect":
            self._heredoc(node, made)
            return
        self._note(node)
        parts = [child for child in node.children if child.type != "file_descriptor"]
        descriptor = self._text(node.children[0]) if len(parts) < len(node.children) else ""
        self._script.doubtful |= not descriptor and self._source[
            max(0, node.start_byte - 1) : node.start_byte
        ].isdigit()
        operator = self._text(parts[0])
        self._script.bash |= operator.startswith("&")
        if operator.endswith("&-"):  # what stands behind it is a word of the command
            made.redirections.append(Redirection(operator, plain(""), descriptor))
            self._others(parts, made)
            return
        word = read_word(parts[1], self._source) if len(parts) > 1 else plain("")
        self._script.doubtful |= word.odd
        if node.type == "herestring_redirect":
            self._script.bash = True
            made.script = word
            return
        made.redirections.append(Redirection(operator, word, descriptor))
        self._others(parts[1:], made)

    def _others(self, parts: Sequence[Node], made: SimpleCommand) -> None:
        """The grammar takes words behind a redirection into it."""
        for before, extra in itertools.pairwise(parts):
            self._script.doubtful |= not self._parted(before.end_byte, extra)
            self._word(extra, made)

    def _heredoc(self, node: Node, made: SimpleCommand) -> None:
        """A here-document; the grammar puts what follows it on its line inside of it."""
        start = body = end = ""
        expands = tabs = missed = False
        for child in node.children:
            kind = child.type
            if kind == "heredoc_start":
                start = self._text(child)
            elif kind == "heredoc_end":
                end = line_of(self._source, child, tabs=tabs)
            elif kind == "heredoc_body":
                body = self._text(child)
                expands = "$" in body or "`" in body
                missed = holds_missed_code(self._source, child)
            elif kind in _REDIRECTING:
                self._redirect(child, made)
            elif kind in _WORDS:
                self._word(child, made)
            tabs |= kind == "<<-"
        word = start.strip("'\"")
        quoted = word != start
        lines = [line.lstrip("\t") if tabs else line for line in body.split("\n")]
        certain = word and end == word and "\\" not in start and word not in lines[:-1]
        certain = certain and (quoted or not missed)
        self._script.doubtful |= not certain
        made.script = Word(body, body, literal=quoted or not (expands or "\\" in body))

    def _beside(self, node: Node) -> list[Node]:
        """What the grammar hides inside a here-document and is run beside its command."""
        if node.type != "heredoc_redirect":
            return []
        return [one for one in node.children if one.type not in _WORDS | _REDIRECTING | _OF_HEREDOC]

    # --- order, gaps and errors --------------------------------------------------------------

    def _push(self, nodes: Sequence[Node], *, piped: bool = False) -> None:
        self._stack.extend((node, piped) for node in reversed(nodes))

    def _inside(self, nodes: Iterable[Node]) -> None:
        """Push what is run inside words: substitutions at any depth, found without recursion."""
        found: list[Node] = []
        for node in nodes:
            if node.child_count:
                found += self._code_in(node)
        if found:
            self._push(found)

    def _code_in(self, node: Node) -> list[Node]:
        """The substitutions in a word, in order; what the grammar took for text must hold none."""
        found: list[Node] = []
        known: list[Node] = []
        waiting = [node]
        while waiting:
            child = waiting.pop()
            self._note(child)
            if child.type in _SUBSTITUTING:
                found.append(child)
                known.append(child)
            elif child.type in _QUOTED:
                known.append(child)
            elif child.type == "heredoc_body":  # its text was looked at with its redirection
                known.append(child)
                waiting.extend(reversed(child.children))
            else:
                waiting.extend(reversed(child.children))
        at = node.start_byte
        for child in known:
            self._script.doubtful |= _CODE.search(self._source, at, child.start_byte) is not None
            at = max(at, child.end_byte)
        self._script.doubtful |= _CODE.search(self._source, at, node.end_byte) is not None
        return found

    def _note(self, node: Node) -> None:
        if node.is_error or node.is_missing:
            self._script.broken = True
            if not self._source[node.end_byte :].strip():
                self._script.ends_early = True

    def _parted(self, end: int, child: Node) -> bool:
        """Whether blanks stand before a word; a redirection needs none."""
        if child.start_byte == end:
            return child.type in _REDIRECTING
        return are_apart(self._source, end, child.start_byte)

    def _text(self, node: Node) -> str:
        return self._source[node.start_byte : node.end_byte].decode("utf-8", "surrogateescape")


_VISITS: Final[dict[str, Callable[[_Walk, Node, bool], None]]] = {
    "command": _Walk.command,
    "redirected_statement": _Walk.redirected,
    "pipeline": _Walk.pipeline,
    "negated_command": _Walk.passing,
    "list": _Walk.passing,
    "subshell": _Walk.passing,
    "compound_statement": _Walk.compound,
    "declaration_command": _Walk.declaration,
    "unset_command": _Walk.declaration,
    "test_command": _Walk.test,
    "variable_assignment": _Walk.assignment,
    "variable_assignments": _Walk.assignment,
    "function_definition": _Walk.function,
    **dict.fromkeys(_WORDS - _SUBSTITUTING, _Walk.word),
}
