"""The patterns of deny lists."""

import random
import shutil
import subprocess

import pytest

from lightd.files import errors
from lightd.files.denying import DenyList, check_pattern
from tests.rig.engine import give_up


def denies(patterns, path):
    folder = path.endswith("/")
    return DenyList.of([tuple(patterns)]).denies(tuple(path.rstrip("/").split("/")), folder=folder)


@pytest.mark.parametrize(
    ("patterns", "denied", "free"),
    [
        (["server.jar"], ["server.jar", "a/b/server.jar", "server.jar/x"], ["server.jar2", "Server.jar"]),
        (["/server.jar"], ["server.jar"], ["a/server.jar"]),
        (["*.jar"], [".jar", "a/x.jar", "a\nb.jar", "a\nb/c.jar", "caf\udce9.jar"], ["jar", "x.jar2"]),
        (["a/*.jar"], ["a/x.jar"], ["a/b/x.jar", "b/a/x.jar"]),
        (["private/"], ["private/", "private/a/b", "x/private/"], ["private"]),
        (["a/**/b"], ["a/b", "a/x/b", "a/x/y/b"], ["b", "ab"]),
        (["**/logs"], ["logs", "a/logs", "a/logs/x"], ["logs2"]),
        (["a/**"], ["a/x", "a/x/y"], ["a2/x"]),
        (["?.txt"], ["a.txt", "\u00e9.txt", "\udce9.txt"], ["ab.txt", ".txt"]),
        (["[a-c].txt"], ["b.txt"], ["d.txt"]),
        (["[!a-c].txt"], ["d.txt"], ["b.txt"]),
        (["*", "!*/", "!*.txt"], ["a.exe", "a/b.exe"], ["a.txt", "a/", "a/b.txt"]),
        (["*.jar", "!server.jar"], ["x.jar"], ["server.jar", "a/server.jar"]),
        (["!server.jar", "*.jar"], ["server.jar"], ["x"]),
        (["# comment", "", "\\#file", "\\!important"], ["#file", "!important"], ["# comment", "important"]),
        (["name\\ "], ["name "], ["name"]),
    ],
    ids=str,
)
def test_pattern_means_what_it_means_in_gitignore(patterns, denied, free):
    assert [path for path in denied if not denies(patterns, path)] == []
    assert [path for path in free if denies(patterns, path)] == []


def test_lists_are_independent_of_one_another():
    together = DenyList.of([("*.jar",), ("!server.jar",), ("*.key", "!open.key"), ()])
    found = {name: together.denies((name,), folder=False) for name in ("server.jar", "a.key", "open.key")}
    assert found == {"server.jar": True, "a.key": True, "open.key": False}
    assert not DenyList.of([(), ()])


def test_root_is_never_denied():
    assert not DenyList.of([("*", "/", "**")]).denies((), folder=True)


def test_refusal_names_the_path():
    with pytest.raises(errors.Denied, match=r'"a/b\.jar" is on the deny list of the server'):
        DenyList.of([("*.jar",)]).check(("a", "b.jar"), folder=False)


@pytest.mark.parametrize("pattern", ["a\\", "[", "a[z-a]", "a[]b", "[[:alpha:]]x", "a" * 256])
def test_pattern_that_cannot_be_matched_is_refused_and_denies_nothing(pattern):
    with pytest.raises(ValueError, match=r"gitignore|matches nothing|more than 255"):
        check_pattern(pattern)
    assert not denies([pattern, "b.jar"], "aaa")
    assert denies([pattern, "b.jar"], "b.jar")


def test_hostile_patterns_are_matched_in_linear_time():
    """Each would take years with backtracking."""
    patterns = [f"{'*a' * 100}{number}" for number in range(100)]
    assert not denies(patterns, "/".join(["a" * 255] * 15))


def test_patterns_decide_as_git_does(tmp_path):
    git = shutil.which("git")
    if git is None:
        give_up("git is not installed")
    chance = random.Random(17)
    names = ["a", "b", "ab", "a.b", "c d", "-"]
    parts = [*names, "*", "?", "**", "a*", "*b", "[ab]", "[!a]", "*.b"]
    subprocess.run([git, "init", "-q", tmp_path], check=True)
    for _ in range(60):
        patterns = []
        for _ in range(chance.randint(1, 3)):
            text = "/".join(chance.choice(parts) for _ in range(chance.randint(1, 3)))
            # pathspec takes a/**/ for a/**, which denies more
            end = "" if text.endswith("**") else chance.choice(["", "", "/"])
            patterns.append(chance.choice(["", "/"]) + text + end)
        paths = ["/".join(chance.choice(names) for _ in range(chance.randint(1, 4))) for _ in range(40)]
        (tmp_path / ".gitignore").write_text("\n".join(patterns) + "\n")
        asked = subprocess.run(
            [git, "-C", tmp_path, "check-ignore", "--no-index", "--stdin", "-z"],
            input="\0".join(paths).encode(),
            capture_output=True,
            check=False,
        )
        ignored = set(asked.stdout.decode().split("\0")) - {""}
        assert {path for path in paths if denies(patterns, path)} == ignored, patterns
