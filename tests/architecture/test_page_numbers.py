"""Numbers on the pages are those of the code: each sentence is on its page with the code's value."""

import pytest

from actors.container import restarts, spec, stats_history
from actors.container.console import console, lines
from actors.kernel import supervisor
from actors.remotesync import actor as remotesync
from actors.tokens import decider as tokens
from lightd.access import attempts, log_limits, rates, request_shares
from lightd.api import bodies, console_input, container_fields, operations
from lightd.config import sections
from lightd.consoles import log as console_log
from lightd.engines.docker import layers
from lightd.engines.host import description
from lightd.files import archiver, archives, archiving, jobs, listing, tars, volumes
from lightd.files.quota import limits, quotas, surveyor
from lightd.http import listing as paging
from lightd.http import queries, wire
from lightd.http.live import expiry, inbound, session, source
from lightd.http.routes import audit, history
from lightd.http.transport.settings import Settings
from lightd.journal import compaction
from lightd.logs import loop_delay, output
from tests.support.page_blocks import ROOT

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
DAY = 86_400
SERVER = Settings()
CEILINGS = archives.Ceilings()

API = {
    "request line and headers | {} KiB, {} headers, {} query parameters, {} seconds": (
        SERVER.head_size / KIB,
        SERVER.head_fields,
        SERVER.parameters,
        SERVER.head_timeout,
    ),
    "{} MiB for a file, a container or a reinstallation, {} MiB for lists, {} KiB if the route takes no": (
        wire.LARGE / MIB,
        wire.LISTS / MIB,
        wire.EMPTY / KIB,
    ),
    "otherwise {} KiB; {} seconds": (wire.SMALL / KIB, SERVER.body_timeout),
    "connections of one address (over IPv6, of a /64) | {}": (SERVER.max_connections_per_address,),
    "idle connection | {} seconds": (SERVER.keep_alive,),
    "client that does not read | {} seconds": (SERVER.write_stall,),
    "requests in progress for one minted token | {}": (request_shares.REQUESTS,),
    "WebSockets of one minted token, of one container | {}, {}": (
        request_shares.SOCKETS,
        sections.Server().viewers_per_container,
    ),
    "There can be {} of them": (tokens.MOST,),
    "This session ends in {} seconds": (expiry.NOTICE,),
    "After {} wrong tokens from one address": (attempts.BURST,),
    "one more is allowed every {} seconds": (attempts.EVERY,),
    "a minted token can do {} starts and restarts at once, then one every {} seconds": (
        rates.STARTING.burst,
        rates.STARTING.every,
    ),
    "`limit` is 100 by default and at most {}; `next` is the `since`": (audit.MOST,),
    "`limit` is 1,000 by default and at most {}; `next` is the cursor": (listing.LARGEST,),
    "{} entries, {} GiB, {} levels, {} KiB of headers for one entry of a tar, or {} times its own size": (
        CEILINGS.entries,
        CEILINGS.bytes / GIB,
        CEILINGS.depth,
        tars.HEADERS / KIB,
        CEILINGS.ratio,
    ),
    "The last {} finished archives of each volume": (jobs.KEPT_IN_ONE,),
    "one for each {} KiB of the size, at least {}; {} without a size": (
        limits.BYTES_AN_ENTRY / KIB,
        limits.FEWEST,
        limits.UNSIZED,
    ),
    "With **`?wait=<seconds>`** (0 to {})": (queries.LONGEST_WAIT,),
    "The newest {} events of a container (at most {} MiB) are kept": (
        compaction.KEPT,
        compaction.KEPT_BYTES / MIB,
    ),
    "the last lines of the console (default: 100, maximum: {})": (history.MOST_LINES,),
    "`ports` | at most {};": (container_fields.MOST_PORTS,),
    "After the server has run for a minute, the delay starts": (),
    "the last {} console lines": (console.TAIL_LINES,),
    "A line of more than {} KiB is cut": (lines.LONGEST / KIB,),
    "The last {} lines of each console, at most {} MiB, are kept in memory": (
        console.LINES,
        console.SIZE / MIB,
    ),
    "and {} to 4 MiB on disk": (console_log.FILE / MIB,),
    "a line is at most {} bytes with its end": (console_input.LONGEST_TTY_LINE,),
    "sends up to {} commands in this order": (console_input.MOST_COMMANDS,),
    "Each token can send {} commands at once to a container, then 20 a second": (rates.SENDING.burst,),
    "up to {} names and values of your own": (bodies.MOST_LABELS,),
    "a value is up to {} characters without control": (bodies.LONGEST_LABEL,),
    "a name for people, up to {} characters": (bodies.LONGEST_NAME,),
    "With `?limit=` (1 to {}) or": (paging.MOST,),
    "The default `limit` of a page is {}": (paging.USUAL,),
    "are the last hour in steps of `step` seconds, at most {}": (stats_history.POINTS,),
    "`host` is cached for {} seconds, and the version of the engine for {} seconds": (
        description.FRESH,
        description.VERSION_FRESH,
    ),
    "At most {} lines wait for a process that does not read": (console.INPUTS,),
    "A message is at most {} KiB": (SERVER.message_size / KIB,),
    "A connection can send {} messages per second": (inbound.MESSAGES,),
    "one message for each {} lines": (inbound.LINES_A_MESSAGE,),
    "frames of up to {} lines or {} KiB": (source.LINES_A_FRAME, source.FRAME / KIB),
    "The master token can open {} more": (session.RESERVED,),
    "(one is sent every {} seconds)": (SERVER.ping_every,),
}

OPERATIONS = {
    "The two files of a container have at most {} MiB each": (console_log.FILE / MIB,),
    "with the lines that are still in memory ({} lines, {} MiB)": (console.LINES, console.SIZE / MIB),
    "is killed when it has written more than 2048 MB or {} files there": (layers.MOST_FILES,),
    "lightd keeps the newest {} events of each container, at most {} MiB, and the console lines": (
        compaction.KEPT,
        compaction.KEPT_BYTES / MIB,
    ),
    "which is removed at the first start {} days later": (compaction.FORGOTTEN / DAY,),
    "Paths are cut to {} characters": (output.SHORT,),
    "has {} lines and then {} per second; all addresses together": (log_limits.BURST, log_limits.RATE),
    "Any other log call has {} lines": (output.REPEATS,),
    "that delayed all requests for more than {} ms": (loop_delay.BLOCKED * 1000,),
    "one for each {} KiB of the size, at least {}; {} in a volume without a size": (
        limits.BYTES_AN_ENTRY / KIB,
        limits.FEWEST,
        limits.UNSIZED,
    ),
    "in slices of {} ms": (surveyor.SLICE * 1000,),
    "after {} times the duration of the last one ({} s to {} s": (
        quotas.PART,
        quotas.SHORTEST,
        quotas.LONGEST,
    ),
    "{} short and {} long operations of that volume hang": (volumes.QUICK_IN_ONE, volumes.LONG_IN_ONE),
    "{} of each kind wait behind them": (volumes.WAITING,),
}

SECURITY = {
    "One address can have {} connections (IPv6: a /64), all together {}": (
        SERVER.max_connections_per_address,
        SERVER.max_connections,
    ),
    "the last {} of the": (SERVER.reserved_connections,),
    "A body is at most {} MiB": (SERVER.body_size / MIB,),
    "`RLIMIT_AS` of {} GiB and `RLIMIT_CPU` of {} hours": (archiver.MEMORY / GIB, archiver.SECONDS / 3600),
    "in turns of {} seconds": (archiving.AT_A_TIME,),
    "{} requests in progress and {} WebSockets for each minted token (429), {} requests for all": (
        request_shares.REQUESTS,
        request_shares.SOCKETS,
        request_shares.ALL_REQUESTS,
    ),
    "{} addresses are remembered": (attempts.ADDRESSES,),
}

REMOTE = {"requested every {} seconds": (remotesync.HEALTH,)}

CLAIMS = [
    (page, sentence, values)
    for page, claims in (
        ("docs/api.md", API),
        ("docs/operations.md", OPERATIONS),
        ("docs/security.md", SECURITY),
        ("docs/remote.md", REMOTE),
    )
    for sentence, values in claims.items()
]


@pytest.mark.parametrize(
    ("page", "sentence", "values"), CLAIMS, ids=[sentence[:50] for _, sentence, _ in CLAIMS]
)
def test_number_on_a_page_is_that_of_the_code(page, sentence, values):
    text = " ".join((ROOT / page).read_text().split())
    shown = [f"{value:,.2f}".rstrip("0").rstrip(".") for value in values]
    assert sentence.format(*shown) in text


def test_words_for_numbers_on_the_pages_are_those_of_the_code():
    assert restarts.HEALTHY == 60.0  # "for a minute", docs/api.md
    assert operations.REMEMBERED == 1000  # "the newest thousand", docs/api.md
    assert compaction.KEPT_TEXTS == 5  # "its five newest crashes", docs/operations.md
    assert (
        supervisor.RestartIntensity().restarts == 3
    )  # "the fourth crash within a minute", docs/architecture.md
    assert spec.RestartPolicy("never").max == 3  # the default on docs/api.md
