"""The sample requests of a route: its lines for the shell, read as requests, and written in other languages.

The lines of a route are its ``before`` and its ``curl``. A line is ``call`` or ``curl -sS`` with ``-X METHOD``,
``-d JSON``, ``-r RANGE``, ``-T -`` (the bytes of ``head -c N /dev/zero |``) and ``-o FILE``, and can be wrapped in
``name=$(… | sed 's/.*"key":"…')``, which keeps a field of the response.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from lightd.http.route import Route

ADDRESS: Final = "http://localhost:8070"
"""The daemon's address in preludes; the page replaces it by its own."""
TOKEN: Final = "lightd_…"  # noqa: S105 - a placeholder
MEDIA_TYPE: Final = "Application/vnd.pkglatv1+json"

CALL: Final = f'call() {{ curl -sS --fail-with-body -H "Authorization: Bearer $token" -H "Accept: {MEDIA_TYPE}" "$@"; }}'

PRELUDES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Shell": f"url={ADDRESS} token={TOKEN}\n{CALL}",
        "Python": f"""import httpx

url, token = "{ADDRESS}", "{TOKEN}"
headers = {{"Authorization": f"Bearer {{token}}", "Accept": "{MEDIA_TYPE}"}}
client = httpx.Client(base_url=url, headers=headers, timeout=90)


def call(method, path, **body):
    response = client.request(method, path, **body)
    response.raise_for_status()
    is_json = response.headers["Content-Type"].startswith("application/json")
    return response.json() if is_json else response.content""",
        "JavaScript": f"""const url = "{ADDRESS}", token = "{TOKEN}";
const always = {{ Authorization: `Bearer ${{token}}`, Accept: "{MEDIA_TYPE}" }};

async function call(method, path, {{ json, body, headers }} = {{}}) {{
  const content = json === undefined ? body : JSON.stringify(json);
  const response = await fetch(url + path, {{ method, body: content, headers: {{ ...always, ...headers }} }});
  if (!response.ok) throw new Error(await response.text());
  const isJson = response.headers.get("Content-Type").startsWith("application/json");
  return isJson ? response.json() : response.arrayBuffer();
}}""",
    }
)
"""What the samples of each language use: ``call``, ``url`` and ``token``."""


@attrs.frozen
class Request:
    """One request. ``path`` and the strings of ``body`` can contain variables, ``$name``.

    ``zeros`` is the number of bytes of a binary body. ``keeps`` are the name of a variable and the field of the
    response that it is set to.
    """

    method: str
    path: str
    body: Any = None
    zeros: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    keeps: tuple[str, str] | None = None


_KEPT = re.compile(r"""\A(\w+)=\$\((.*) \| sed 's/\.\*"(\w+)":"\\\(\[\^"\]\*\\\)"\.\*/\\1/'\)""", re.DOTALL)
_ZEROS = re.compile(r"head -c (\d+) /dev/zero \| (.*)", re.DOTALL)
_DEFAULT = re.compile(r"\$\{\w+:-([^{}]*)\}")
_VARIABLE = re.compile(r"\$(\w+)")


def to_shell(route: Route) -> str:
    """Return the lines for the shell."""
    return f"{route.before}\n{route.curl}" if route.before else route.curl


def to_requests(route: Route) -> list[Request]:
    """Return the requests of the route's lines, its own last; raises ``ValueError`` for a line of another form."""
    lines = [*route.before.splitlines(), route.curl]
    return [_to_request(line) for line in lines]


def _to_request(line: str) -> Request:
    keeps = zeros = None
    if (kept := _KEPT.fullmatch(line)) is not None:
        keeps, line = (kept[1], kept[3]), kept[2]
    if (sent := _ZEROS.fullmatch(line)) is not None:
        zeros, line = int(sent[1]), sent[2]
    words = iter(shlex.split(_DEFAULT.sub(r"\1", line)))
    program = next(words)
    if program != "call" and (program, next(words)) != ("curl", "-sS"):
        raise ValueError(f"unknown line: {line}")
    request = Request("GET", "", zeros=zeros, keeps=keeps)
    for word in words:
        request = _with(request, word, words)
    return request


def _with(request: Request, word: str, rest: Iterator[str]) -> Request:
    posts = "POST" if request.method == "GET" else request.method
    match word:
        case "-X":
            return attrs.evolve(request, method=next(rest))
        case "-d":
            return attrs.evolve(request, method=posts, body=json.loads(next(rest)))
        case "-r":
            return attrs.evolve(request, headers=(("Range", f"bytes={next(rest)}"),))
        case "-T" if next(rest) == "-":
            return attrs.evolve(request, method="PUT")
        case "-o":
            next(rest)
            return request
        case _ if word.startswith("$url/"):
            return attrs.evolve(request, path=word.removeprefix("$url"))
        case _:
            raise ValueError(f"unknown word in a line for the shell: {word}")


def to_samples(route: Route) -> list[dict[str, str]]:
    """Return the route's samples in every language, for ``x-codeSamples``."""
    sources = {
        "Shell": to_shell(route),
        **{name: _to_source(write, route) for name, write in _WRITERS.items()},
    }
    labels = {"Shell": "curl"}
    return [{"lang": lang, "label": labels.get(lang, lang), "source": sources[lang]} for lang in sources]


def _to_source(write: Callable[[Request, bool], str], route: Route) -> str:
    *before, own = to_requests(route)
    return "\n".join([*(write(each, False) for each in before), write(own, True)])  # noqa: FBT003 - is it shown


def _to_python(request: Request, shows: bool) -> str:  # noqa: FBT001 - of the one table
    options = _to_options(request, "=", f"content=bytes({request.zeros})", _PYTHON_WORDS)
    path = _to_path(request.path, 'f"', r"{\1}", '"')
    call = f"call({', '.join([json.dumps(request.method), path, *options])})"
    if request.keeps is not None:
        return f'{request.keeps[0]} = {call}["{request.keeps[1]}"]'
    return f"print({call})" if shows else call


def _to_javascript(request: Request, shows: bool) -> str:  # noqa: FBT001 - of the one table
    options = _to_options(request, ": ", f"body: new Uint8Array({request.zeros})", {})
    path = _to_path(request.path, "`", r"${\1}", "`")
    last = [f"{{ {', '.join(options)} }}"] if options else []
    call = f"await call({', '.join([json.dumps(request.method), path, *last])})"
    if request.keeps is not None:
        return f"const {request.keeps[0]} = ({call}).{request.keeps[1]};"
    return f"console.log({call});" if shows else f"{call};"


def _to_options(request: Request, sign: str, zeros: str, words: Mapping[str, str]) -> list[str]:
    """Return what ``request`` has beside its method and its path; ``sign`` is between a name and its value."""
    return [
        *([] if request.body is None else [f"json{sign}{_to_literal(request.body, words)}"]),
        *([] if request.zeros is None else [zeros]),
        *([f"headers{sign}{json.dumps(dict(request.headers))}"] if request.headers else []),
    ]


_PYTHON_WORDS = MappingProxyType({"true": "True", "false": "False", "null": "None"})
_WIDEST = 80
"""Characters of a body on one line; in a longer one each field has a line."""


def _to_literal(value: Any, words: Mapping[str, str], *, nested: bool = False) -> str:  # noqa: ANN401 - any JSON value
    """Return ``value`` as a literal; a string that is a variable is its name."""
    match value:
        case dict():
            fields = [
                f"{json.dumps(name)}: {_to_literal(each, words, nested=True)}" for name, each in value.items()
            ]
            inside = ", ".join(fields)
            if nested or len(inside) <= _WIDEST:
                return f"{{{inside}}}"
            return "".join(["{\n", *(f"    {field},\n" for field in fields), "}"])
        case list():
            return f"[{', '.join(_to_literal(each, words, nested=True) for each in value)}]"
        case str() if (alone := _VARIABLE.fullmatch(value)) is not None:
            return alone[1]
        case _:
            text = json.dumps(value, ensure_ascii=False)
            return words.get(text, text)


def _to_path(path: str, begin: str, variable: str, end: str) -> str:
    """Return ``path`` as a literal, in which its variables are filled in."""
    found = _VARIABLE.sub(variable, path)
    return json.dumps(path) if found == path else f"{begin}{found}{end}"


_WRITERS: Mapping[str, Callable[[Request, bool], str]] = MappingProxyType(
    {"Python": _to_python, "JavaScript": _to_javascript}
)


def to_body_example(route: Route, values: Mapping[str, object]) -> Any:  # noqa: ANN401 - any JSON value
    """Return the body of the route's own line, with ``values`` for its variables; None without a body."""
    return _filled(to_requests(route)[-1].body, values)


def _filled(value: Any, values: Mapping[str, object]) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case dict():
            return {name: _filled(each, values) for name, each in value.items()}
        case list():
            return [_filled(each, values) for each in value]
        case str() if (alone := _VARIABLE.fullmatch(value)) is not None:
            return values[alone[1]]
        case _:
            return value
