"""What a path may look like, decided without a disk."""

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lightd.files import errors
from lightd.files.paths import (
    LONGEST_TEXT,
    ROOT,
    RelativePath,
    parse_folder,
    parse_name,
    parse_path,
    to_shown,
    to_text,
)

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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("caf\udce9", "caf\uf0e9"),
        ("caf\udce8", "caf\uf0e8"),
        ("\\x", "\uf05cx"),
        ("..\\x", "..\uf05cx"),
        ("d:x", "d\uf03ax"),
        ("C:", "C\uf03a"),
        ("C:\udcff", "C\uf03a\uf0ff"),
        ("\uf0e9", "\uf0ef\uf083\uf0a9"),
        ("C:\uf05c", "C\uf03a\uf0ef\uf081\uf09c"),
        ("a\\b", "a\\b"),
        ("é:雪\uf015", "é:雪\uf015"),
        ("10:30", "10:30"),
    ],
)
def test_every_name_of_linux_has_a_form_that_a_path_can_contain(name, text):
    assert to_text(name) == text
    assert parse_path(f"folder/{text}") == RelativePath(("folder", name))
    assert parse_path(text).text == text


@given(st.binary(min_size=1, max_size=255).filter(lambda name: not {0, 47} & set(name)))
@example(b"\xef\x80\xba")
@example(b"\xc3\xa9")
def test_name_of_any_bytes_comes_back_from_its_text(raw):
    name = os.fsdecode(raw)
    if name not in (".", ".."):
        to_text(name).encode()
        assert parse_path(to_text(name)) == RelativePath((name,))


def test_escapes_of_other_characters_are_characters():
    """``/``, ``.`` and NUL cannot be written as escapes."""
    assert parse_path("\uf02e\uf02e\uf02fx\uf000") == RelativePath(("\uf02e\uf02e\uf02fx\uf000",))


@pytest.mark.parametrize("name", ["\\x", "d:x", "..\\x", "a\\..\\b", "C:\\x"])
def test_only_a_slash_separates_the_names_in_an_archive(name):
    assert parse_name(name) == RelativePath((name,))


@pytest.mark.parametrize("name", ["/x", "..", "a/../b", "a\0b"])
def test_name_in_an_archive_never_leads_out(name):
    with pytest.raises(errors.InvalidPath, match="traversal"):
        parse_name(name)


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
        assert ".." not in to_text(part).split("\\")
    assert parse_folder(path.text) == path


def test_text_of_a_path_is_bounded_before_it_is_parsed():
    """Half a MiB of it blocked the event loop for a tenth of a second."""
    assert parse_path("./" * (LONGEST_TEXT // 2 - 1) + "a") == RelativePath(("a",))
    for text in ("./" * LONGEST_TEXT + "a", "a" + "/" * LONGEST_TEXT, "a/" * 250_000):
        with pytest.raises(errors.InvalidPath, match="longer than 4095 bytes"):
            parse_path(text)
