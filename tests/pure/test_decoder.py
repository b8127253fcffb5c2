"""A large body's JSON is read as a small one's, in steps, and never for long."""

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightd.api.errors import ApiError
from lightd.http.wire import AT_ONCE, is_light, loads
from lightd.validation import decoder

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
MIB = 1024 * 1024
CPU = 3.0
"""Seconds of CPU for a MiB; what takes longest takes a quarter of one."""

WRONG = [
    *(
        "",
        " ",
        "[",
        "]",
        "{",
        "[1,]",
        "[,1]",
        "{,}",
        '{"a"}',
        '{"a":}',
        '{"a":1,}',
        "{1:2}",
        '{"a" 1}',
        "1 2",
    ),
    *(
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "--1",
        "tru",
        "nul",
        "truee",
        "NaN",
        "Infinity",
        "-Infinity",
    ),
    *(
        '"',
        '"\\"',
        '"\\q"',
        '"\\u12"',
        '"\\u12g4"',
        '"\n"',
        '"\x00"',
        "'a'",
        '"a" "b"',
        '{"a":1 "b":2}',
        "[1 2]",
    ),
    *("\ufeff1", "\x0b1", "[1]]", '{"a":1}}', "nan", '{"a":1,"a":2}', "1" * 500, "0." + "1" * 500, "[" * 300),
]
HOSTILE = {
    "lists": "[" + "[]," * (MIB // 3) + "[]]",
    "numbers": "[" + "1," * (MIB // 2) + "1]",
    "long numbers": "[" + "9" * 390 + ("," + "9" * 390) * (MIB // 391) + "]",
    "digits": "9" * MIB,
    "fraction": "0." + "1" * MIB,
    "objects": "[" + "{}," * (MIB // 3) + "{}]",
    "names": "{" + ",".join(f'"{number}":0' for number in range(MIB // 10)) + "}",
    "one name again and again": "{" + '"a":1,' * (MIB // 6) + '"a":1}',
    "a string": '"' + "x" * MIB + '"',
    "escapes": '"' + "\\n" * (MIB // 2) + '"',
    "characters by number": '"' + "\\u0041" * (MIB // 6) + '"',
    "halves of pairs": '"' + "\\ud83d" * (MIB // 6) + '"',
    "pairs": '"' + "\\ud83d\\ude00" * (MIB // 12) + '"',
    "quotes": '"' + '\\"' * (MIB // 2) + '"',
    "no end": '"' + "\\\\" * (MIB // 2),
    "blanks": " " * MIB,
    "depth": "[" * MIB,
    "depth of objects": '{"a":' * (MIB // 5),
}


def attempt(decode, text):
    try:
        return decode(text), None
    except (ValueError, RecursionError):
        return None, "refused"


@given(JSON, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_decoder_reads_what_the_standard_library_reads(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert decoder.decode(text) == json.loads(text) == value


@given(JSON, st.data())
def test_decoder_refuses_what_the_standard_library_refuses(value, data):
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text)))
    changed = (
        text[:at]
        + data.draw(st.sampled_from(list(',:[]{}"\\ 01.eE-+tn\n\x00é')) | st.just(""))
        + text[at + 1 :]
    )

    def strictly(text):
        return json.loads(text, object_pairs_hook=decoder.to_object, parse_constant=int)

    assert attempt(decoder.decode, changed) == attempt(strictly, changed)


@pytest.mark.parametrize("text", WRONG)
def test_decoder_refuses_what_is_no_json(text):
    assert attempt(decoder.decode, text) == (None, "refused")


def test_decoder_joins_pairs_wherever_a_piece_ends():
    for before in range(4090, 4100):
        text = '"' + "x" * before + "\\ud83d\\ude00\\u0041" + '"'
        assert decoder.decode(text) == "x" * before + "\U0001f600A"


@pytest.mark.parametrize("shape", HOSTILE)
def test_body_of_a_mebibyte_is_read_or_refused_in_little_time(shape):
    body = HOSTILE[shape].encode()
    before = time.thread_time()
    with contextlib.suppress(ApiError):
        loads(body)
    assert time.thread_time() - before < CPU
    assert not is_light(body)


def test_body_is_light_where_it_is_short_and_has_few_parts():
    assert is_light(b'{"a": [1, 2, 3]}')
    assert is_light(json.dumps({"command": "x" * (AT_ONCE - 100)}).encode())
    assert not is_light(b" " * (AT_ONCE + 1))
    assert not is_light(b"[" * 600)
    assert not is_light(b'"' + b"\\n" * 600 + b'"')
