"""Reads egg files (PTDL_v1, PTDL_v2, PLCN_v1, v2 and v3; JSON and YAML), and writes PLCN_v3. Pure.

The formats are those of the panels' own exports: https://pelican.dev/docs/eggs/creating-a-custom-egg and
https://pterodactyl.io/community/config/eggs/creating_a_custom_egg.html. PHP writes an empty map as a list,
and some fields of JSON files are texts that contain JSON.
"""

import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs
import re2
import ruamel.yaml
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError

from lightd.eggs import rules
from lightd.eggs.egg import ConfigFile, Egg, Install, Replacement, Variable
from lightd.eggs.errors import EggError
from lightd.eggs.rendering.trees import check_count, check_tree
from lightd.eggs.rendering.values import UnreadableError
from lightd.validation import decoder

Plain = Any  # what JSON and YAML are read as

FORMATS: Final = ("PTDL_v1", "PTDL_v2", "PLCN_v1", "PLCN_v2", "PLCN_v3")
PARSERS: Final = {"file", "properties", "ini", "json", "yaml", "xml", "toml"}
LARGEST: Final = 1024 * 1024
"""Bytes of an egg file."""
LARGEST_YAML: Final = LARGEST // 2
MOST_VALUES: Final = 10_000
"""Values of an egg file in YAML: its parser needs up to 0.1 ms for each."""
DEEPEST: Final = 20
LONGEST_LIST: Final = 1000
LONGEST_RULES: Final = 32 * 1024
"""Characters of the rules of all variables."""
MOST_RULES: Final = 1000
LONGEST_DEFAULT: Final = 8192
"""Characters of the default value of a variable. Each of its rules is compared with it."""
MOST_PATTERNS: Final = 64
"""Regular expressions in the rules of all variables: RE2 needs up to 5 ms to compile one."""
LONGEST_FIELD: Final = 200

_SLOW: Final = re2.compile(r"(?m)^%|![^\s]{1000}")

_USED: Final = {
    "": {"_comment", "meta", "exported_at", "name", "author", "uuid", "description", "tags", "features"}
    | {"docker_images", "images", "file_denylist", "startup", "startup_commands", "config", "scripts"}
    | {"variables"},
    "meta": {"version", "update_url"},
    "config": {"files", "startup", "stop"},
    "config.startup": {"done", "_comment"},
    "scripts": {"installation"},
    "scripts.installation": {"script", "container", "entrypoint"},
}
_OF_VARIABLE: Final = {"name", "description", "env_variable", "default_value", "rules", "sort"} | {
    "user_viewable",
    "user_editable",
    "field_type",
}


@attrs.frozen
class Import:
    """An egg, the ``format`` of its file, and what is in the file but has no effect: its fields."""

    egg: Egg
    format: str
    ignored: tuple[str, ...]


def read(data: bytes) -> Import:
    """Return the egg in the content of a file. Raises ``EggError``."""
    if len(data) > LARGEST:
        raise EggError(f"the file must not be larger than {LARGEST} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EggError(f"the file is not UTF-8: byte {error.start} is wrong") from None
    plain = _to_plain(text)
    if not isinstance(plain, dict):
        raise EggError("the file must contain an object")
    try:
        check_tree(plain, DEEPEST)
    except UnreadableError as error:
        raise EggError(f"the file {error}") from None
    return _Reader(plain).read()


def write(egg: Egg) -> str:
    """Return the egg as a file in the format PLCN_v3, in JSON."""
    files: dict[str, Any] = {}
    for file in egg.files:
        find: dict[str, Any] = {}
        for each in file.replacements:
            if each.if_value:
                find.setdefault(each.match, {})[each.if_value] = each.value
            else:
                find[each.match] = each.value
        files[file.path] = {"parser": file.parser, "find": find}
    done: str | list[str] = egg.done[0] if len(egg.done) == 1 else list(egg.done)
    installation = None if egg.install is None else {
        "script": egg.install.script, "container": egg.install.image, "entrypoint": egg.install.entrypoint
    }  # fmt: skip
    plain = {
        "meta": {"version": "PLCN_v3", "update_url": egg.update_url or None},
        "name": egg.name,
        "author": egg.author,
        "uuid": egg.uuid or None,
        "description": egg.description,
        "tags": list(egg.tags),
        "features": list(egg.features),
        "docker_images": dict(egg.images),
        "file_denylist": list(egg.denied),
        "startup_commands": dict(egg.startups),
        "config": {"files": files, "startup": {"done": done} if done else {}, "logs": {}, "stop": egg.stop},
        "scripts": {"installation": installation} if installation else {},
        "variables": [
            {
                "name": each.name,
                "description": each.description,
                "env_variable": each.env,
                "default_value": each.default,
                "user_viewable": each.user_viewable,
                "user_editable": each.user_editable,
                "rules": [rule.text for rule in each.rules],
                "sort": position,
            }
            for position, each in enumerate(egg.variables, 1)
        ],
    }
    return json.dumps(plain, indent=4, ensure_ascii=False) + "\n"


# ---- texts


class _Constructor(SafeConstructor):
    """Dates stay texts: eggs contain none that mean one."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def _to_plain(text: str) -> Plain:
    if text.lstrip()[:1] in ("{", "["):
        return _to_json(text, "")
    try:
        _check_yaml(text)
        yaml = ruamel.yaml.YAML(typ="safe", pure=True)
        yaml.Constructor = _Constructor
        return yaml.load(text)
    except (YAMLError, ValueError, LookupError, RuntimeError, AttributeError, TypeError) as error:
        if isinstance(error, EggError):
            raise
        raise EggError(f"the file is neither JSON nor YAML: {_to_line(error)}") from None


def _to_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or type(error).__name__
    return f"{problem} in line {mark.line + 1}" if mark is not None else str(problem)


def _check_yaml(text: str) -> None:
    """Refuse aliases, which multiply, and what is too deep or too much, before anything is built."""
    if len(text) > LARGEST_YAML:
        raise EggError(f"the file must not be larger than {LARGEST_YAML} characters in YAML")
    if _SLOW.search(text):
        raise EggError("directives and long tags of YAML are not allowed")
    depth = 0
    yaml = ruamel.yaml.YAML(typ="safe", pure=True)
    for count, event in enumerate(yaml.parse(io.StringIO(text))):
        if isinstance(event, ruamel.yaml.AliasEvent):
            raise EggError(f"aliases such as *{event.anchor} are not allowed")
        if isinstance(event, ruamel.yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, ruamel.yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST or count > MOST_VALUES:
            bounds = f"{DEEPEST} levels and {MOST_VALUES} values"
            raise EggError(f"the file must not have more than {bounds}")


def _to_json(text: str, field: str) -> Plain:
    try:
        check_count(text)
        return decoder.decode(text, dict)  # the last one of several values of a name counts
    except UnreadableError as error:
        raise EggError(str(error), field) from None
    except decoder.Misspelt as error:
        line = text.count("\n", 0, error.at) + 1
        raise EggError(f"is not valid JSON ({error.what} in line {line})", field) from None
    except ValueError as error:
        raise EggError(f"is not valid JSON ({error})", field) from None
    except RecursionError:
        raise EggError("has too many levels", field) from None


# ---- fields


@attrs.define
class _Reader:
    plain: Mapping[str, Any]
    ignored: list[str] = attrs.field(factory=list)
    characters_left: int = LONGEST_RULES
    rules_left: int = MOST_RULES
    patterns_left: int = MOST_PATTERNS

    def _ignore(self, fields: Iterable[str]) -> None:
        for field in fields:
            if len(self.ignored) == LONGEST_LIST:
                raise EggError(f"the file must not have more than {LONGEST_LIST} fields without effect")
            self.ignored.append(field[:LONGEST_FIELD])

    def read(self) -> Import:
        self._note_unknown(self.plain, "")
        meta = _map(self.plain.get("meta"), "meta")
        self._note_unknown(meta, "meta")
        version = meta.get("version")
        if version not in FORMATS:
            raise EggError(f"must be one of {', '.join(FORMATS)} (got {_shown(version)})", "meta.version")
        config = _map(self.plain.get("config"), "config")
        self._note_unknown(config, "config", {"logs"})
        if _has_content(config.get("logs")):
            self.ignored.append("config.logs")
        egg = Egg(
            name=_text(self.plain.get("name"), "name", needed=True),
            images=self._images(),
            startups=self._startups(),
            uuid=_text(self.plain.get("uuid"), "uuid"),
            author=_text(self.plain.get("author"), "author"),
            description=_text(self.plain.get("description"), "description"),
            update_url=_text(meta.get("update_url"), "meta.update_url"),
            tags=_texts(self.plain.get("tags"), "tags"),
            features=_texts(self.plain.get("features"), "features"),
            denied=tuple(
                each for each in _texts(self.plain.get("file_denylist"), "file_denylist") if each.strip()
            ),
            files=tuple(self._files(_embedded(config.get("files"), "config.files"))),
            done=self._done(_embedded(config.get("startup"), "config.startup")),
            stop=_text(config.get("stop"), "config.stop"),
            install=self._install(),
            variables=tuple(self._variables()),
        )
        return Import(egg, version, tuple(self.ignored))

    def _note_unknown(self, found: Mapping[str, Any], field: str, also: Collection[str] = ()) -> None:
        prefix = f"{field}." if field else ""
        unknown = [key for key in found if key not in _USED[field] and key not in also]
        self._ignore(prefix + str(key)[:100] for key in unknown if _has_content(found[key]))

    def _images(self) -> dict[str, str]:
        for key in ("docker_images", "images"):
            found = self.plain.get(key)
            if _has_content(found):
                return _choices(found, key)
        image = self.plain.get("image")
        if isinstance(image, str) and image and not image.startswith(("data:", "http")):
            self.ignored = [each for each in self.ignored if each != "image"]
            return {image: image}
        raise EggError("must name at least one image", "docker_images")

    def _startups(self) -> dict[str, str]:
        found = self.plain.get("startup_commands")
        if _has_content(found):
            return _choices(found, "startup_commands")
        return {"Default": _text(self.plain.get("startup"), "startup", needed=True)}

    def _files(self, found: Mapping[str, Any]) -> Iterator[ConfigFile]:
        for path, value in found.items():
            field = f"config.files.{str(path)[:LONGEST_FIELD]}"
            rules_ = _map(value, field)
            parser = _text(rules_.get("parser"), f"{field}.parser", needed=True).lower()
            parser = "yaml" if parser == "yml" else parser
            if parser not in PARSERS:
                known = ", ".join(sorted(PARSERS))
                raise EggError(f"must be one of {known} (got {_shown(parser)})", f"{field}.parser")
            self._ignore(f"{field}.{key}" for key in rules_ if key not in ("parser", "find"))
            find = _map(rules_.get("find"), f"{field}.find")
            yield ConfigFile(str(path), parser, tuple(_replacements(find, f"{field}.find")))

    def _done(self, found: Mapping[str, Any]) -> tuple[str, ...]:
        self._note_unknown(found, "config.startup")
        return tuple(each for each in _texts(found.get("done"), "config.startup.done") if each)

    def _install(self) -> Install | None:
        scripts = _map(self.plain.get("scripts"), "scripts")
        self._note_unknown(scripts, "scripts")
        field = "scripts.installation"
        found = _map(scripts.get("installation"), field)
        self._note_unknown(found, field)
        script = _text(found.get("script"), f"{field}.script")
        if not script.strip():
            return None
        image = _text(found.get("container"), f"{field}.container", needed=True)
        return Install(
            image, _text(found.get("entrypoint"), f"{field}.entrypoint") or "ash", to_lines(script)
        )

    def _variables(self) -> Iterator[Variable]:
        found = self.plain.get("variables") or []
        if not isinstance(found, list) or len(found) > LONGEST_LIST:
            raise EggError(f"must be a list of at most {LONGEST_LIST} variables", "variables")
        seen: set[str] = set()
        for position, value in enumerate(found):
            field = f"variables[{position}]"
            each = _map(value, field)
            env = _text(each.get("env_variable"), f"{field}.env_variable", needed=True).strip()
            if "=" in env or "\0" in env:
                problem = f"must be the name of an environment variable (got {_shown(env)})"
                raise EggError(problem, f"{field}.env_variable")
            if env in seen:  # the first one counts, as in the panels' lists
                self._ignore([field])
                continue
            seen.add(env)
            self._ignore(f"{field}.{key}" for key in each if key not in _OF_VARIABLE)
            checked = self._rules(each.get("rules"), f"{field}.rules")
            default = _text(each.get("default_value"), f"{field}.default_value")
            if len(default) > LONGEST_DEFAULT:
                problem = f"must not have more than {LONGEST_DEFAULT} characters"
                raise EggError(problem, f"{field}.default_value")
            yield Variable(
                name=_text(each.get("name"), f"{field}.name") or env,
                env=env,
                default=default,
                description=_text(each.get("description"), f"{field}.description"),
                rules=checked,
                user_editable=_flag(each.get("user_editable"), f"{field}.user_editable"),
                user_viewable=_flag(each.get("user_viewable"), f"{field}.user_viewable"),
            )

    def _rules(self, found: Plain, field: str) -> tuple[rules.Rule, ...]:
        given = found if isinstance(found, str) else _texts(found, field)
        self.characters_left -= len(given) if isinstance(given, str) else sum(map(len, given))
        parsed = rules.parse(given) if self.characters_left >= 0 else ()
        self.rules_left -= len(parsed)
        self.patterns_left -= sum(rule.name in rules.PATTERNS for rule in parsed)
        if min(self.characters_left, self.rules_left, self.patterns_left) < 0:
            bounds = f"{MOST_RULES} with {LONGEST_RULES} characters and {MOST_PATTERNS} regular expressions"
            raise EggError(f"the rules of all variables must not be more than {bounds}", field)
        self._ignore(f"{field}: {text[:200]}" for text in rules.to_unknown(parsed))
        return parsed


def to_lines(text: str) -> str:
    r"""Return a script with ``\n`` at the ends of its lines and no byte order mark."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def _replacements(find: Mapping[str, Any], field: str) -> Iterator[Replacement]:
    for match, value in find.items():
        where = f"{field}.{str(match)[:LONGEST_FIELD]}"
        if isinstance(value, dict):
            for old, new in _map(value, where).items():
                yield Replacement(str(match), _text(new, where), str(old))
        else:
            yield Replacement(str(match), _text(value, where, flags=("false", "true")))


def _embedded(found: Plain, field: str) -> Mapping[str, Any]:
    """A map that may be written as a text of JSON."""
    if isinstance(found, str):
        found = _to_json(found, field) if found.strip() else None
    return _map(found, field)


def _map(found: Plain, field: str) -> Mapping[str, Any]:
    if found is None or found == []:
        return {}
    if not isinstance(found, dict):
        raise EggError(f"must be an object (got {_shown(found)})", field)
    if len(found) > LONGEST_LIST:
        raise EggError(f"must not have more than {LONGEST_LIST} entries (got {len(found)})", field)
    return found


def _choices(found: Plain, field: str) -> dict[str, str]:
    """A map of names to texts; the names of a list are its texts."""
    if isinstance(found, dict):
        return {str(key): _text(value, f"{field}.{key}") for key, value in _map(found, field).items()}
    return {text: text for text in _texts(found, field)}


def _texts(found: Plain, field: str) -> tuple[str, ...]:
    """A list of texts; PHP writes some as a map, and a single one stands for itself."""
    if found is None or found in ("", {}):
        return ()
    values: Sequence[Any]
    if isinstance(found, dict):
        values = list(found.values())
    else:
        values = found if isinstance(found, list) else [found]
    if len(values) > LONGEST_LIST:
        raise EggError(f"must not have more than {LONGEST_LIST} entries (got {len(values)})", field)
    return tuple(_text(value, f"{field}[{position}]") for position, value in enumerate(values))


def _text(found: Plain, field: str, *, needed: bool = False, flags: tuple[str, str] = ("0", "1")) -> str:
    if found is None:
        found = ""
    elif isinstance(found, bool):
        found = flags[found]
    elif isinstance(found, int | float):
        found = json.dumps(found)
    if not isinstance(found, str):
        raise EggError(f"must be a text (got {_shown(found)})", field)
    if needed and not found.strip():
        raise EggError("is missing", field)
    if "\0" in found:
        raise EggError("must not contain the character NUL", field)
    try:
        found.encode()
    except UnicodeEncodeError:
        raise EggError("contains half of a surrogate pair", field) from None
    return found


def _flag(found: Plain, field: str) -> bool:
    if found is None or isinstance(found, bool):
        return bool(found)
    if found in (0, 1, "0", "1"):
        return found in (1, "1")
    raise EggError(f"must be true or false (got {_shown(found)})", field)


def _has_content(found: Plain) -> bool:
    return found not in (None, "", "{}", "[]", [], {})


def _shown(found: Plain) -> str:
    return repr(found)[:100]
