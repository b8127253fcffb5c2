"""Every regular expression of ours takes time in proportion to its text, whatever the text.

They are found, not listed: all that our modules compile while they are imported, and all constants in calls
of ``re`` within functions. A pattern that is known to neither fails the test.
"""

import ast
import importlib
import re
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from re import _parser

import pytest

ROOT = Path(__file__).parents[2]
METHODS = frozenset({"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"})
WHOLE = ("match", "fullmatch")
SMALL, LARGE = 4 * 1024, 16 * 1024
NOTICED = 0.03
"""Seconds of CPU. What is linear takes less at ``LARGE``, a quadratic search ten times as much."""
CHARACTERS = "1aZ " + "".join(map(chr, range(0x3000))) + "\uf03a"
SUPERLINEAR = 2.5 * LARGE / SMALL

RECORDER = """
import importlib, pkgutil, re, sys

compiled, kept = re.compile, []

def record(pattern, flags=0):
    result, frame = compiled(pattern, flags), sys._getframe(1)
    name = frame.f_globals.get("__name__", "")
    if name.split(".")[0] in ("lightd", "actors"):
        kept.append((name, frame.f_lineno, result.pattern, result.flags))
    return result

re.compile = record
import actors, lightd
for package in (actors, lightd):
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not each.name.endswith("__main__"):
            importlib.import_module(each.name)
if True:  # files are searched for keys that eggs name, and which are made literals: see inline
    from lightd.eggs.egg import ConfigFile, Replacement
    from lightd.eggs.placeholders import EVERYWHERE, Server
    from lightd.eggs.rendering.render import render

    server = Server("", EVERYWHERE, None, 0, "", {})
    changes = (Replacement("a.b", "2"), Replacement("c", "2"))
    for parser, text in {
        "file": "c 1\\n",
        "properties": "c=1\\n",
        "ini": "c=1\\n[a]\\nb=1\\n",
        "json": '{"c": 1, "a": {"b": 1}}',
        "yaml": "c: 1\\na:\\n  b: 1\\n",
        "toml": "c = 1\\n[a]\\nb = 1\\n",
        "xml": "<a><b>1</b></a>",
    }.items():
        render(ConfigFile("f", parser, changes), text.encode(), server)
print(repr(kept))
"""


@cache
def trees():
    return {
        path: ast.parse(path.read_text())
        for package in ("actors", "lightd")
        for path in sorted((ROOT / package).rglob("*.py"))
    }


@cache
def imported():
    """What is compiled while our modules are imported and files are rendered: where, and with which flags."""
    command = [sys.executable, "-c", RECORDER]
    return ast.literal_eval(
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120).stdout
    )


def is_call_of_re(node):
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
    )


def inline():
    """The calls of ``re`` within functions: place, method and pattern, which is None where it isn't known."""
    for path, tree in trees().items():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                for node in filter(is_call_of_re, ast.walk(function)):
                    if node.func.attr == "escape":
                        continue
                    pattern = None
                    if isinstance(node.args[0], ast.Constant):
                        pattern = node.args[0].value
                    elif isinstance(node.args[0], ast.Name):
                        pattern = getattr(importlib.import_module(module), node.args[0].id, None)
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node.func.attr, pattern


@cache
def called():
    """The methods of expressions that are used of each name, in any module."""
    found = {}
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                name = getattr(node.value, "id", getattr(node.value, "attr", None))
                found.setdefault(name, set()).add(node.attr)
    return found


def uses(module, line):
    """The methods by which what is compiled at a line is used, in any module."""
    tree = trees()[(ROOT / module.replace(".", "/")).with_suffix(".py")]
    names = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.lineno <= line <= node.end_lineno
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    return methods_of_parameters(tree, names).union(*(called().get(name, ()) for name in names))


def methods_of_parameters(tree, names):
    """The methods that functions of a module call of a pattern that they are given under one of ``names``."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    given = [
        (functions[call.func.id], parameter.arg)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in functions
        for argument, parameter in zip(call.args, functions[call.func.id].args.args, strict=False)
        if isinstance(argument, ast.Name) and argument.id in names
    ]
    return {
        node.attr
        for function, parameter in given
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and node.attr in METHODS
        and getattr(node.value, "id", None) == parameter
    }


def found():
    """Every pattern with its flags, and the methods by which it is used."""
    methods = {}
    for module, line, pattern, flags in imported():
        methods.setdefault((pattern, flags), set()).update(uses(module, line) or {"fullmatch", "search"})
    for _, method, pattern in inline():
        if method in METHODS and pattern is not None:
            methods.setdefault((pattern, 0), set()).add(method)
    return methods


def example(nodes):
    """About the shortest text that a part of a pattern matches."""
    text = ""
    for code, value in nodes:
        match str(code):
            case "LITERAL":
                text += chr(value)
            case "ANY":
                text += "x"
            case "NOT_LITERAL" | "IN":
                text += next(each for each in CHARACTERS if is_in(code, value, each))
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                text += example(value[2]) * min(value[0], 40)
            case "SUBPATTERN":
                text += example(value[3])
            case "ATOMIC_GROUP":
                text += example(value)
            case "BRANCH":
                text += example(value[1][0])
    return text


def is_in(code, value, character):
    ranges = [(code, value)] if str(code) == "NOT_LITERAL" else value
    result, negated = False, str(code) == "NOT_LITERAL"
    for kind, what in ranges:
        match str(kind):
            case "NEGATE":
                negated = True
            case "NOT_LITERAL":
                result = ord(character) == what
            case "LITERAL":
                result |= ord(character) == what
            case "RANGE":
                result |= what[0] <= ord(character) <= what[1]
            case "CATEGORY":
                letter = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}[str(what).rsplit("_", 1)[1]]
                inverse = "_NOT_" in str(what)
                result |= (re.match(letter, character) is None) == inverse
    return result != negated


def inner(code, value):
    match str(code):
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return [value[2]]
        case "SUBPATTERN":
            return [value[3]]
        case "ATOMIC_GROUP":
            return [value]
        case "BRANCH":
            return list(value[1])
    return []


def heads(nodes, before=""):
    """The texts that lead to each place of a pattern at which something may be repeated."""
    nodes = list(nodes)
    for number, node in enumerate(nodes):
        here = before + example(nodes[:number])
        if str(node[0]).endswith("_REPEAT"):
            yield here
        for part in inner(*node):
            yield from heads(part, here)


def bodies(nodes):
    """What may be repeated for long: a text for each part of a pattern that may be."""
    for node in nodes:
        for part in inner(*node):
            if str(node[0]).endswith("_REPEAT"):
                yield example(part)
            yield from bodies(part)


def hostile(pattern, flags):
    """Texts of any size: the way to a place in the pattern, one thing repeated, an end that fits nothing."""
    nodes = _parser.parse(pattern, flags)
    whole = example(nodes)
    begin = {"", *heads(nodes)}
    for head in sorted(begin):
        for body in sorted({" ", "a", "0", whole, f"{whole} ", head, f"{head} ", *bodies(nodes)} - {""}):
            for tail in ("", "\0"):
                yield lambda size, h=head, b=body, t=tail: (h + b * (size // len(b) + 1))[:size] + t


def seconds(compiled, method, text):
    best = float("inf")
    for _ in range(3):
        before = time.thread_time()
        if method in WHOLE:
            getattr(compiled, method)(text)
        elif method == "search":
            compiled.search(text)
        else:
            compiled.sub(text[:0], text)
        best = min(best, time.thread_time() - before)
        if best < NOTICED or best > 10 * NOTICED:
            break
    return best


def superlinear(pattern, flags, methods):
    """The first hostile text that takes more and more time the longer it is; None where none does."""
    compiled = re.compile(pattern, flags)

    def make(text):
        return text.encode("latin-1", "replace") if isinstance(pattern, bytes) else text

    texts = {text(LARGE): text for text in hostile(pattern, flags)}
    for method in sorted(methods):
        for whole, text in texts.items():
            large = seconds(compiled, method, make(whole))
            if large > NOTICED and large > SUPERLINEAR * seconds(compiled, method, make(text(SMALL))):
                return f"{method} of {pattern!r}: {large * 1000:.0f} ms on 16 KiB of {text(80)!r}"
    return None


def test_patterns_are_all_known_before_they_are_used():
    known = {f"{module.replace('.', '/')}.py:{line}" for module, line, *_ in imported()}
    unknown = [
        f"{place}: re.{method}"
        for place, method, pattern in inline()
        if pattern is None and not (method == "compile" and place in known)
    ]
    assert not unknown, "compile these when the module is imported, so that the next test finds them"


@pytest.mark.one_python
def test_expressions_take_time_in_proportion_to_a_hostile_text():
    patterns = found()
    assert len(patterns) > 40, "the search for patterns finds too few"
    faults = [fault for key, methods in patterns.items() if (fault := superlinear(*key, methods))]
    assert not faults, "\n".join(faults)


@pytest.mark.one_python
def test_quadratic_expression_would_be_found():
    assert superlinear(r"bytes\s*=\s*([0-9]{0,18})\s*-", re.IGNORECASE, {"fullmatch"})
    assert superlinear(r"\s+$", 0, {"search"})
