"""Where a server's time goes: the functions of a profile, and the layers that they belong to. Pure.

The time of a function that isn't Python's counts for the layer of its caller. Waiting for the next event is
left out. A profiler makes each call dearer than it is: shares are right within a few percent, times are not.
"""

import pstats
from collections import Counter
from collections.abc import Mapping

LAYERS = {
    "/h11/": "h11",
    "/hypercorn/": "Hypercorn",
    "/wsproto/": "wsproto",
    "/trio/": "Trio",
    "/outcome/": "Trio",
    "/quart": "Quart and Werkzeug",
    "/werkzeug/": "Quart and Werkzeug",
    "/flask/": "Quart and Werkzeug",
    "/blinker/": "Quart and Werkzeug",
    "/logging/": "the log line",
    "/lightd/logs": "the log line",
    "/queue.py": "the log line",
    "/json/": "JSON",
    "attrs generated methods trio": "Trio",
    "/lightd/http/": "lightd's edge",
    "/lightd/": "lightd",
    "/actors/": "lightd",
}
OTHER = "else"
KERNEL = {"'send'": "the kernel: send", "'recv'": "the kernel: receive"}
WAITING = "'poll'"

Function = tuple[str, int, str]


def to_layer(function: Function) -> str:
    """The layer of a function of Python's own, by the path of its file."""
    return next((layer for part, layer in LAYERS.items() if part in function[0]), OTHER)


def to_shares(stats: Mapping[Function, tuple]) -> dict[str, float]:
    """Each layer's part of the time, the largest first. ``stats`` is what pstats calls so."""
    found: Counter[str] = Counter()
    for function, (_, _, own, _, callers) in stats.items():
        if WAITING in function[2]:
            continue
        kernel = next((name for part, name in KERNEL.items() if part in function[2]), None)
        if kernel is not None:
            found[kernel] += own
        elif function[0] == "~" and callers:
            for caller, (_, _, share, _) in callers.items():
                found[to_layer(caller)] += share
        else:
            found[to_layer(function)] += own
    total = sum(found.values())
    return {layer: own / total for layer, own in found.most_common()}


def to_dearest(stats: Mapping[Function, tuple], count: int) -> list[tuple[str, float, float]]:
    """The functions with the most time of their own: name, its share, and the share with what it calls."""
    rows = {name: row for name, row in stats.items() if WAITING not in name[2]}
    total = sum(row[2] for row in rows.values())
    dearest = sorted(rows.items(), key=lambda item: -item[1][2])[:count]
    return [(to_name(name), row[2] / total, min(1.0, row[3] / total)) for name, row in dearest]


def to_name(function: Function) -> str:
    path, line, name = function
    return name if path == "~" else f"{'/'.join(path.rsplit('/', 2)[-2:])}:{line} {name}"


def read(path: str) -> Mapping[Function, tuple]:
    """The functions of the profile in ``path``."""
    return pstats.Stats(path).stats


def show(title: str, stats: Mapping[Function, tuple]) -> None:
    print(f"\n{title}, by layer:")
    for layer, share in to_shares(stats).items():
        print(f"  {share * 100:5.1f} %  {layer}")
    print(f"{title}, by function: own, with what it calls")
    for name, own, cumulative in to_dearest(stats, 25):
        print(f"  {own * 100:5.1f} %  {cumulative * 100:5.1f} %  {name}")
    print(flush=True)
