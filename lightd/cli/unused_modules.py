"""Modules that Quart, Flask and Hypercorn import and that ``lightd serve`` never uses.

They are the template engine, forms, cookies and signed sessions, the command lines and test clients of the
frameworks, and HTTP/2, which lightd does not offer: a seventh of the start-up time, and 8 MiB. ``left_out``
imports an empty module in the place of each. A name that is imported from one is an empty class: all that the
libraries do with such names while they are imported is to derive classes, annotate and make instances.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

UNUSED: Final = frozenset(
    {
        "aiofiles",
        "click",
        "flask.cli",
        "flask.json.tag",
        "h2",
        "http.cookiejar",
        "hypercorn.asyncio",
        "hypercorn.protocol.h2",
        "hypercorn.trio.run",
        "itsdangerous",
        "jinja2",
        "logging.config",
        "multiprocessing",
        "quart.cli",
        "quart.debug",
        "quart.formparser",
        "quart.testing",
        "quart_trio.formparser",
        "quart_trio.testing",
        "tomllib",
        "werkzeug.debug",
        "werkzeug.formparser",
        "werkzeug.sansio.multipart",
        "werkzeug.serving",
        "werkzeug.test",
    }
)


class _Unused:
    """Stands for every class and function of an unused module."""

    commands: Final[Sequence[str]] = ()  # Flask looks for those of an AppGroup when a blueprint is registered

    def __init__(self, *args: object, **keywords: object) -> None:
        """Accept what the real one would."""


class _EmptyModule(ModuleType):
    def __getattr__(self, name: str) -> type[_Unused]:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Unused,), {"__module__": self.__name__})


_NOWHERE: Final = ModuleType("nowhere")


class _Finder:
    """Finds the modules of ``UNUSED`` and everything below them."""

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: object = None) -> ModuleSpec | None:
        parts = name.split(".")
        if any(".".join(parts[: end + 1]) in UNUSED for end in range(len(parts))):
            return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]  # the two methods below are a loader
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _EmptyModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave it empty."""


@contextmanager
def left_out() -> Iterator[None]:
    """Import empty modules in the place of the unused ones within the block, and the real ones after it."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, _EmptyModule)]:
            del sys.modules[name]
            package, _, own = name.rpartition(".")
            vars(sys.modules.get(package, _NOWHERE)).pop(own, None)
