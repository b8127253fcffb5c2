"""Which containers of an engine are orphans, as the journal has it."""

import pytest

from lightd.cli.commands.orphans import Orphan, to_orphans, to_texts
from lightd.journal.inspection import Known

KNOWN = Known(frozenset({"s1"}), "j1", frozenset({"c-adopted"}))


def row(internal_id="s1", *, node="n1", journal="j1", engine_id="c1"):
    labels = {"lightd.internal_id": internal_id, "lightd.node": node, "lightd.journal": journal}
    labels |= {"lightd.role": "server", "lightd.attempt": "1"}
    return {"Id": engine_id, "Names": [f"/lightd-{internal_id}"], "Labels": labels, "State": "running"}


@pytest.mark.parametrize(
    ("found", "orphan"),
    [
        (row(), False),
        (row(node="renamed"), False),
        (row(journal=""), False),  # an older version made it
        (row(journal="", node="n2"), True),
        (row(journal="j2"), True),
        (row(journal="j2", engine_id="c-adopted"), False),
        (row("s2"), True),
        (row("s2", journal=""), True),
        ({"Id": "c1", "Labels": None, "State": "created"}, False),  # made to look into an image
    ],
)
def test_orphan_is_what_the_journal_does_not_know_or_another_one_does(found, orphan):
    assert bool(list(to_orphans([found], KNOWN, "n1"))) is orphan


def test_orphan_is_shown_with_its_name_its_node_and_its_journal():
    (found,) = to_orphans([row("s2", node="n2", journal="j2" * 16)], KNOWN, "n1")
    assert found == Orphan("lightd-s2", "c1", "s2", "n2", "j2" * 16, "running", "server", "1")
    assert to_texts(found, KNOWN) == ("lightd-s2", "running", "n2", "j2j2j2j2j2j2")
    (lost,) = to_orphans([row("s2")], KNOWN, "n1")
    assert to_texts(lost, KNOWN)[-1] == "this one"
