"""The messages between the daemon and its SFTP server."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightd.sftp import wire

MESSAGES = [
    wire.Hello("0123456789abcdef", 7, ("127.0.0.1:2022", "[::1]:2022")),
    wire.Login("s1", "geheim 🎮", "", "192.0.2.7"),
    wire.Login("me.s1", "", "ssh-ed25519 AAAA", "2001:db8::1"),
    wire.Open("s1", "", 7),
    wire.Resume("ab" * 16, "content.signature", "192.0.2.7", 7),
    wire.Charge(1 << 20, 32),
    wire.Report((("write", "/a", ""), ("rename", "/a", "/b\udcff")), 3, 4, 5, 6),
    wire.Verdict(accepted=True),
    wire.Accepted("ab", "cd", "988:988", True, (("*.jar", "!a.jar"),), 1 << 30, None, False),
    wire.Refused("not now"),
    wire.Granted(granted=False),
    wire.End("the token was revoked"),
    wire.Deny(((), ("secret/",))),
    wire.Leave(),
    wire.Kill(7),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_message_is_read_as_it_was_written(message):
    assert wire.from_bytes(wire.to_bytes(message)) == message


def test_every_kind_of_message_is_tested():
    assert {type(message) for message in MESSAGES} == {*wire.Request.__args__, *wire.Answer.__args__}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'["Nothing",{}]',
        b'["Open",[]]',
        b'["Open",null]',
        b'[["Open"],{}]',
        b'["Open",{"username":"s1"}]',
        b'["Open",{"username":"s1","key":"","more":1}]',
        b'["Open",{"username":1,"key":""}]',
        b'["Charge",{"bytes":-1,"entries":0}]',
        b'["Charge",{"bytes":true,"entries":0}]',
        b'["Charge",{"bytes":9223372036854775808,"entries":0}]',
        b'["Verdict",{"accepted":1}]',
        b'["Deny",{"denied":1}]',
        b'["Deny",{"denied":[1]}]',
        b'["Hello",{"settings":"","pid":1,"addresses":{}}]',
        b'["Report",{"done":[["write","/a"]],"more":0,"read":0,"written":0,"files":0}]',
        b"[" * 50_000,
    ],
)
def test_anything_else_is_malformed(data):
    with pytest.raises(wire.Malformed):
        wire.from_bytes(data)


@given(st.binary(max_size=200))
def test_noise_is_malformed(data):
    with pytest.raises(wire.Malformed):
        wire.from_bytes(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from([type(message).__name__ for message in MESSAGES]),
)
def test_message_with_other_fields_is_malformed_and_nothing_else(value, kind):
    try:
        wire.from_bytes(json.dumps([kind, value]).encode())
    except wire.Malformed:
        return
    assert (kind, value) == ("Leave", {})


def test_message_over_the_limit_is_not_sent():
    wire.to_bytes(wire.Refused("x" * (wire.LONGEST - 100)))
    with pytest.raises(wire.Malformed):
        wire.to_bytes(wire.Refused("x" * wire.LONGEST))
