"""Who may come in, as functions of headers."""

import pytest

from actors.kernel.actor import View
from actors.kernel.handle import Handle
from actors.tokens.decider import State
from lightd.access.errors import Unauthenticated
from lightd.access.gate import Gate
from lightd.api.errors import ApiError
from lightd.config.sections import Authorization
from lightd.http.credentials import check_media_type, to_bearer, to_candidates, to_offered

TOKEN = "lightd_0123456789abcdef"


def a_gate(*, enabled=True):
    authorization = Authorization(enabled=enabled, token=TOKEN)
    return Gate(lambda: authorization, Handle("tokens", View(State()), lambda _: None), lambda: 0.0)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, []),
        ("", []),
        ("Bearer", []),
        ("Bearer x", ["x"]),
        ("  bEARER   x  ", ["x"]),
        ("Bearer x y", []),
        ("Bearerx", []),
        ("Basic x", []),
        ("Bearer x, Bearer y", []),
    ],
)
def test_bearer_is_one_word_after_the_scheme(header, found):
    assert to_bearer(header) == found


def test_offered_sub_protocols_with_the_prefix_are_tokens():
    assert to_offered(["chat", "lightd.a", "LIGHTD.b", "lightd.", "lightd.c.d"]) == ["a", "", "c.d"]


@pytest.mark.parametrize("candidates", [[], [""], [TOKEN[:-1]], [f"{TOKEN} "], ["\ud7ff"], [TOKEN.upper()]])
async def test_gate_lets_nobody_in_without_the_token(candidates):
    with pytest.raises(Unauthenticated) as refused:
        a_gate().authenticate(candidates, "192.0.2.1")
    assert TOKEN not in str(refused.value)


async def test_one_valid_token_among_others_is_enough():
    assert a_gate().authenticate(["wrong", TOKEN], "192.0.2.1").is_master


async def test_gate_that_is_disabled_lets_everybody_in_as_the_master():
    assert a_gate(enabled=False).authenticate([], "192.0.2.1").is_master


def test_gate_does_not_show_its_token():
    assert TOKEN not in repr(a_gate())


def test_handshake_is_one_try_from_each_place():
    assert to_candidates(["a", "b"], ["c"], ["d", "e"]) == ["a", "c", "d"]
    assert to_candidates([], [], []) == []


@pytest.mark.parametrize(
    ("accept", "welcome"),
    [
        ("Application/vnd.pkglatv1+json", True),
        ("text/html , application/VND.PKGLATV1+JSON ; q=0.1", True),
        ("application/vnd.pkglatv1+json, */*", True),
        ("", False),
        ("*/*", False),
        ("application/*", False),
        ("text/html;application/vnd.pkglatv1+json", False),
    ],
)
def test_vendors_media_type_has_to_be_in_the_list(accept, welcome):
    if welcome:
        check_media_type(accept)
        return
    with pytest.raises(ApiError) as refused:
        check_media_type(accept)
    assert refused.value.code == "vendor_header_required"
