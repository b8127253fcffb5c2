from actors.tokens.grant import EVERYTHING, PERMISSIONS, Grant


def test_grant_without_bounds_allows_everything_everywhere():
    assert all(map(EVERYTHING.allows, PERMISSIONS))
    assert EVERYTHING.reaches("any")


def test_grant_allows_what_it_names_where_it_names_it():
    grant = Grant(frozenset({"a"}), frozenset({"power"}))
    assert [name for name in PERMISSIONS if grant.allows(name)] == ["power"]
    assert grant.reaches("a")
    assert not grant.reaches("b")
    assert not Grant(frozenset()).reaches("a")
    assert not Grant(permissions=frozenset()).allows("power")
