"""Renders the pages of ``docs/`` that follow from the code; ``--check`` only says which are out of date."""

import json
import sys
from collections.abc import Iterator
from inspect import getdoc
from pathlib import Path
from typing import get_args

import attrs
import command_table

from actors.container import effects, events, messages
from actors.container.decider import DECIDER
from actors.container.spec import ContainerSpec
from actors.container.state import CHANGING, GONE, TRANSITIONS, Change, Kind, Phase, State
from lightd.http.openapi import document, faults
from lightd.http.openapi.entry import Entry
from lightd.journal.codec import KINDS

HERE = Path(__file__).parent
RENDERED = "<!-- rendered by docs/render.py from the code; edit the code, not this page -->"

A_SPEC = ContainerSpec("id", "image", "volume", "command", start_pattern="Ready", install_script="#!/bin/sh")


def first_sentence(thing: object) -> str:
    """The first sentence of a docstring, in one line."""
    text = " ".join((getdoc(thing) or "").split())
    return text.split(". ")[0].rstrip(".").replace("|", "\\|")


def lifecycle() -> Iterator[str]:
    """The page of phases."""
    yield "# The life of a container"
    yield RENDERED
    yield (
        "An event leads from a phase to exactly one phase; what is not in this table can't be recorded. "
        "`state` and `install_state` are what the API says in that phase, *work* is what the actor has done "
        "while it lasts."
    )
    yield "\n".join(_phase_rows())
    yield from command_table.render()
    yield "## Who says what\n\n### Commands\n\n" + "\n".join(_rows(get_args(messages.Command)))
    yield "### Observations\n\n" + "\n".join(_rows(get_args(messages.Observation)))
    yield "### Work\n\n" + "\n".join(_rows(get_args(effects.Effect)))


def _phase_rows() -> Iterator[str]:
    yield "| phase | `install_state` | `state` | what can happen | work |"
    yield "|---|---|---|---|---|"
    for phase in Phase:
        state = State(phase, None if phase is Phase.ABSENT else A_SPEC, engine_id="e", run=1)
        if phase in CHANGING:
            built = "e2" if phase is Phase.REPLACING else None
            state = attrs.evolve(
                state, change=Change(Kind.REINSTALL, 2, 2, A_SPEC, image_ensured=True, engine_id=built)
            )
        leads = "<br>".join(f"{event.__name__} → {then.value}" for event, then in TRANSITIONS[phase].items())
        work = ", ".join(sorted(type(effect).__name__ for effect in DECIDER.effects(state)))
        shown = ("", "") if phase in GONE else (state.install_state, state.power_state)
        yield f"| {phase.value} | {shown[0]} | {shown[1]} | {leads} | {work} |"


def _rows(classes: tuple[type, ...]) -> Iterator[str]:
    yield "| name | meaning |"
    yield "|---|---|"
    for cls in classes:
        yield f"| {cls.__name__} | {first_sentence(cls)} |"


def journal() -> Iterator[str]:
    """The page of events."""
    yield "# Events in the journal"
    yield RENDERED
    yield (
        "Every record has a global position, a stream with a version of its own, a time and the operation "
        "that caused it. A name on disk is for ever; a change of shape is a new schema number and an upcast. "
        "`GET /containers/:id/events` shows a container's own, without the prefix."
    )
    yield "\n".join(_kind_rows())


def _kind_rows() -> Iterator[str]:
    yield "| kind | schema | fields | meaning |"
    yield "|---|---|---|---|"
    for kind in KINDS:
        fields = ", ".join(f"`{name}`" for name in kind.event.__annotations__) or "none"
        yield f"| `{kind.name}` | {kind.schema} | {fields} | {first_sentence(kind.event)} |"


def reference() -> Iterator[str]:
    """The page of routes."""
    yield "# Every route, with a line for the shell"
    yield RENDERED
    yield document.TEXT
    yield (
        "The same as [openapi.json](openapi.json), which a daemon serves at `/openapi.json`, and at `/docs` "
        "as a page. An error that is not named below may still come: 400 `invalid_request`, 401 "
        "`unauthorized`, 403 `vendor_header_required`, 500 `internal_error`, and what the server answers "
        "instead of a route. Every line is run by `edge/test_reference.py`, from the first to the last, and "
        "on a real engine by `live/test_document.py`; each begins with these:"
    )
    yield f"```bash\nurl=http://localhost:8070 token=lightd_…\n{document.PRELUDE}\n```"
    for section in document.SECTIONS:
        yield f"## {section.name}\n\n{section.text}"
        for entry in section.entries:
            yield from _route(entry)


def _route(entry: Entry) -> Iterator[str]:
    yield f"### `{entry.method} {entry.path}`"
    needs = document.needs_of(entry)
    told = "" if needs == "nothing" else f"Needs: {needs}."
    yield " ".join(filter(None, (f"{entry.summary}.", entry.text, told)))
    yield f"```bash\n{document.to_sample(entry)}\n```"
    found: dict[int, list[str]] = {}
    for code in dict.fromkeys(entry.faults):
        found.setdefault(faults.CODES[code].status, []).append(f"`{code}`")
    if found:
        yield "Errors: " + " · ".join(f"{status} {', '.join(found[status])}" for status in sorted(found))


def openapi() -> Iterator[str]:
    """The document, as it is served."""
    yield json.dumps(document.to_document(), indent=1, ensure_ascii=False)


PAGES = {"lifecycle.md": lifecycle, "events.md": journal, "reference.md": reference, "openapi.json": openapi}


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them."""
    assert set(get_args(events.Event)) <= {kind.event for kind in KINDS}  # noqa: S101 - else the page would lie
    stale = []
    for name, render in PAGES.items():
        text = "\n\n".join(render()) + "\n"
        path = HERE / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(text)
    for name in stale:
        word = "is out of date: run python docs/render.py" if "--check" in arguments else "was written"
        print(f"docs/{name} {word}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
