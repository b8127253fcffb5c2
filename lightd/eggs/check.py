"""What a server made from an egg would be: the answer of ``lightd egg check``."""

import signal
from collections.abc import Mapping
from typing import Any, Final

import attrs

from actors.container.hints import HINTS
from lightd.eggs import rules
from lightd.eggs.egg import Egg, Variable
from lightd.eggs.errors import EggError
from lightd.eggs.limits import LONGEST_VALUE, MOST_CHARACTERS
from lightd.eggs.placeholders import EVERYWHERE, Server, fill_command, to_environment

GRACE: Final = 30
"""Seconds between the signal of ``^^C`` and SIGKILL."""


LONGEST_NAME: Final = 100
LONGEST_SENTENCE: Final = 300
REGEX: Final = "regex:"
"""Begins a text of ``done`` that is a regular expression."""


class UnfitError(ValueError):
    """The given values do not fit to the egg: what is wrong, by the names of the variables."""

    def __init__(self, mistakes: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in mistakes.items()))
        self.mistakes = mistakes


@attrs.frozen
class Stop:
    """How a server is stopped: by a ``command`` on its console, or by a ``signal``."""

    command: str | None = None
    signal: str | None = None


def to_stop(text: str) -> Stop:
    """Return what the egg's ``stop`` means: ``^C``, ``^^C`` and ``^SIGNAL`` are signals.

    Raises ``EggError`` for a signal that Linux does not have.
    """
    if not text.startswith("^"):
        return Stop(command=text)
    name = text.lstrip("^").upper()
    if name == "C":
        return Stop(signal="SIGINT")
    name = name if name.startswith("SIG") else f"SIG{name}"
    if name not in signal.Signals.__members__:
        raise EggError(f'must be a command or ^SIGNAL, and "{text}" is not a signal', "config.stop")
    return Stop(signal=name)


def to_values(egg: Egg, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables' values, and what is wrong with those that must be filled in before a start.

    Raises ``UnfitError`` for values that violate the rules, and for variables that the egg does not have.
    """
    known = {each.env: each for each in egg.variables}
    mistakes = {name[:LONGEST_NAME]: "the egg has no such variable" for name in given if name not in known}
    for name, value in given.items():
        if name in known and (problem := _find_mistake(known[name], value)):
            mistakes[name] = problem
    if mistakes:
        raise UnfitError(mistakes)
    values = {name: given.get(name, variable.default) for name, variable in known.items()}
    if sum(len(name) + len(value) for name, value in values.items()) > MOST_CHARACTERS:
        raise UnfitError({"(all)": f"must not have more than {MOST_CHARACTERS} characters together"})
    return values, find_missing(egg, values)


def find_violations(egg: Egg, values: Mapping[str, str]) -> list[str]:
    """Return a sentence for each variable whose value, or default, violates its rules.

    It does not contain the value, which may be a secret.
    """
    missing = find_missing(egg, values)
    return [f"{each.env} ({each.name}) {missing[each.env]}" for each in egg.variables if each.env in missing]


def find_missing(egg: Egg, values: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with the values that must be filled in before a start, by the variables' names."""
    found = {each.env: find_problem(each, values.get(each.env, each.default)) for each in egg.variables}
    return {name: problem for name, problem in found.items() if problem is not None}


def find_problem(variable: Variable, value: str) -> str | None:
    """Return what the first rule that ``value`` violates demands, None if there is none."""
    violated = rules.find_violated(variable.rules, value)
    return None if violated is None else rules.to_sentence(violated)[:LONGEST_SENTENCE]


def _find_mistake(variable: Variable, value: str) -> str | None:
    if len(value) > LONGEST_VALUE:
        return f"must not be longer than {LONGEST_VALUE} characters (got {len(value)})"
    if "\0" in value:
        return "must not contain a NUL character"
    problem = find_problem(variable, value)
    return problem and f"{problem} (got {value!r:.100})"


def to_image(egg: Egg, image: str = "") -> tuple[str, str | None]:
    """Return the image of that name, or ``image`` itself, and when it is pulled, None for the usual time.

    The first image without a name. One that begins with ``~``, also in the egg's list, is never pulled.
    """
    chosen = (egg.images.get(image, image) or next(iter(egg.images.values()))).strip()
    bare = chosen.removeprefix("~")
    kept = bare != chosen or any(each.strip() == f"~{bare}" for each in egg.images.values())
    return bare, "never" if kept else None


def to_fields(egg: Egg, image: str = "", command: str = "") -> dict[str, Any]:
    """Return the fields of a container that the egg sets, in the form of the API. Raises ``EggError``.

    ``image`` is as for ``to_image``; ``command`` is the name of one of the startup commands, or a command.
    """
    chosen, pull = to_image(egg, image)
    patterns = [text.removeprefix(REGEX) for text in egg.done if text.startswith(REGEX)]
    fields: dict[str, Any] = {
        "image": chosen,
        "startup_command": egg.startups.get(command, command) or next(iter(egg.startups.values())),
        "entrypoint": "image",
        "start_texts": [text for text in egg.done if not text.startswith(REGEX)],
        "file_denylist": list(egg.denied),
        "stop": _to_policy(to_stop(egg.stop)),
    }
    if pull is not None:
        fields["pull"] = pull
    if patterns:
        fields["start_pattern"] = "|".join(f"(?:{each})" for each in patterns)
    if egg.install is not None:
        fields["install"] = {
            "image": egg.install.image.strip().removeprefix("~"),
            "entrypoint": egg.install.entrypoint,
            "script": egg.install.script,
        }
    return fields


def _to_policy(stop: Stop) -> dict[str, Any]:
    if stop.command:
        return {"type": "command", "value": stop.command, "timeout": GRACE}
    return {"type": "signal", "value": stop.signal or "SIGTERM", "timeout": GRACE}


def to_report(egg: Egg, given: Mapping[str, str], image: str = "") -> dict[str, Any]:
    """Return what would be created with these values, as plain data. Raises ``UnfitError`` and ``EggError``.

    ``image`` is the name of one of the egg's images, or any image; the egg's first one without it.
    """
    values, missing = to_values(egg, given)
    stop = to_stop(egg.stop)
    startup = next(iter(egg.startups.values()))
    server = Server("", EVERYWHERE, None, 0, "", values)
    environment = to_environment(server, startup, "UTC")
    return {
        "name": egg.name,
        "image": to_image(egg, image)[0],
        "images": dict(egg.images),
        "startup_command": fill_command(startup, {**values, "SERVER_IP": environment["SERVER_IP"]}),
        "variables": values,
        "missing": missing,
        "install": None if egg.install is None else {
            "image": egg.install.image,
            "entrypoint": egg.install.entrypoint,
            "lines": egg.install.script.count("\n") + 1,
        },
        "files": {each.path: {"parser": each.parser, "values": len(each.replacements)} for each in egg.files},
        "ready": list(egg.done),
        "stop": attrs.asdict(stop),
        "denied_files": list(egg.denied),
        "hints": {name: HINTS[name].advice for name in egg.features if name in HINTS},
    }  # fmt: skip
