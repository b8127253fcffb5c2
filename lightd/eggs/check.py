"""What a server made from an egg would be: the answer of ``lightd egg check``."""

import signal
from collections.abc import Mapping
from typing import Any, Final

import attrs

from lightd.eggs import rules
from lightd.eggs.egg import HINTS, Egg, Variable
from lightd.eggs.errors import EggError
from lightd.eggs.placeholders import EVERYWHERE, Server, fill_command, to_environment

GRACE: Final = 30
"""Seconds between the signal of ``^^C`` and SIGKILL."""


class UnfitError(ValueError):
    """The given values do not fit to the egg: a sentence for each of ``mistakes``."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
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


def to_values(egg: Egg, given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the variables' values, and a sentence for each one that must be filled in before a start.

    Raises ``UnfitError`` for values that violate the rules, and for variables that the egg does not have.
    """
    known = {each.env: each for each in egg.variables}
    mistakes = [f"{name}: the egg has no such variable" for name in given if name not in known]
    values: dict[str, str] = {}
    missing: list[str] = []
    for name, variable in known.items():
        values[name] = given.get(name, variable.default)
        violated = rules.find_violated(variable.rules, values[name])
        if violated is not None:
            (mistakes if name in given else missing).append(_to_sentence(variable, violated, values[name]))
    if mistakes:
        raise UnfitError(mistakes)
    return values, missing


def find_violations(egg: Egg, values: Mapping[str, str]) -> list[str]:
    """Return a sentence for each variable whose value, or default, violates its rules.

    It does not contain the value, which may be a secret.
    """
    sentences = []
    for variable in egg.variables:
        value = values.get(variable.env, variable.default)
        violated = rules.find_violated(variable.rules, value)
        if violated is not None:
            sentences.append(f"{variable.env} ({variable.name}) {rules.to_sentence(violated)}")
    return sentences


def _to_sentence(variable: Variable, rule: rules.Rule, value: str) -> str:
    return f"{variable.env} ({variable.name}) {rules.to_sentence(rule)} (it is {value!r:.100})"


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
        "image": egg.images.get(image, image) or next(iter(egg.images.values())),
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
        "hints": {name: HINTS[name] for name in egg.features if name in HINTS},
    }  # fmt: skip
