"""What a path may look like, decided without a disk."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lightd.files import errors
from lightd.files.paths import ROOT, RelativePath, parse_folder, parse_path, to_shown

TRAVERSALS = [
    "",
    "/",
    "//",
    "/etc/passwd",
    "\\",
    "\\etc",
    "\\\\server\\share",
    "..",
    "../",
    "../x",
    "a/..",
    "a/../b",
    "a/b/../../..",
    "./..",
    "..\\x",
    "a\\..\\b",
    "a\\..",
    "a/..\\b",
    "a\\../b",
    "C:",
    "C:\\x",
    "C:/x",
    "c:x",
    "z:/",
    "a\0",
    "\0",
    "a/\0/b",
]


@pytest.mark.parametrize("text", TRAVERSALS)
def test_path_that_may_leave_the_volume_is_refused_with_the_contracts_sentence(text):
    with pytest.raises(errors.InvalidPath, match=r"^Invalid path: path traversal detected$"):
        parse_path(text)


@pytest.mark.parametrize("text", [text for text in TRAVERSALS if text])
def test_listing_refuses_what_a_write_refuses(text):
    with pytest.raises(errors.InvalidPath, match=r"^Invalid path: path traversal detected$"):
        parse_folder(text)


@pytest.mark.parametrize("text", ["", ".", "./", "././/."])
def test_root_is_a_folder_to_list_and_no_path_to_write(text):
    assert parse_folder(text) == ROOT
    with pytest.raises(errors.InvalidPath, match=r"^Invalid path: path traversal detected$"):
        parse_path(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ("a",)),
        ("a/b", ("a", "b")),
        ("a//b", ("a", "b")),
        ("./a/./b/", ("a", "b")),
        ("...", ("...",)),
        ("a..b/..c/d..", ("a..b", "..c", "d..")),
        ("a\\b", ("a\\b",)),
        ("dir/C:/x", ("dir", "C:", "x")),
        ("%2e%2e/x", ("%2e%2e", "x")),
        ("~/x", ("~", "x")),
        (" ", (" ",)),
        ("line\nbreak", ("line\nbreak",)),
        ("ü/雪", ("ü", "雪")),
    ],
)
def test_names_are_kept_and_only_separators_are_normalised(text, parts):
    assert parse_path(text) == RelativePath(parts)


def test_name_may_have_255_bytes_and_no_more():
    assert parse_path("a/" + "n" * 255).name == "n" * 255
    with pytest.raises(errors.InvalidPath, match="255 bytes"):
        parse_path("n" * 256)
    with pytest.raises(errors.InvalidPath, match="255 bytes"):
        parse_path("ü" * 128)


def test_path_may_have_4095_bytes_and_no_more():
    assert parse_path("n/" * 2047 + "n")
    with pytest.raises(errors.InvalidPath, match="4095 bytes"):
        parse_path("n/" * 2048 + "n")


def test_half_a_surrogate_is_no_name():
    with pytest.raises(errors.InvalidPath, match="UTF-8"):
        parse_path("a/\udcff")


def test_bytes_that_are_not_utf8_are_shown_as_replaced():
    assert to_shown("caf\udce9") == "caf\N{REPLACEMENT CHARACTER}"
    assert str(RelativePath(("a", "\udcff"))) == "a/\N{REPLACEMENT CHARACTER}"
    assert str(ROOT) == "."


def test_path_holds_itself_and_what_is_below_it():
    assert parse_path("a/b").holds(parse_path("a/b"))
    assert parse_path("a/b").holds(parse_path("a/b/c"))
    assert not parse_path("a/b").holds(parse_path("a/bc"))
    assert not parse_path("a/b").holds(parse_path("a"))


@given(st.text() | st.lists(st.sampled_from([".", "..", "/", "\\", "a", "C:", "\0", " ", "é"])).map("".join))
@example("a/./../b")
def test_parsed_path_holds_only_names(text):
    try:
        path = parse_folder(text)
    except errors.InvalidPath:
        return
    assert not text.startswith("/")
    for part in path.parts:
        assert part not in ("", ".", "..")
        assert "/" not in part
        assert "\0" not in part
        assert ".." not in part.split("\\")
    assert parse_folder("/".join(path.parts)) == path
