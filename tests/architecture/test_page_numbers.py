"""Numbers on the pages are those of the code: each sentence is on its page with the code's value."""

import pytest

from actors.container import fleet, restarts, restore, spec, stats_history
from actors.container.console import console, follower, lines, log_writer
from actors.kernel import journal, supervisor
from actors.remotesync import actor as remotesync
from actors.remotesync import panel
from actors.tokens import decider as tokens
from lightd import daemon
from lightd.access import attempts, log_limits, rates, request_shares
from lightd.api import bodies, console_input, container_fields, operations, panel_exchange
from lightd.audit import entry, trail
from lightd.cli.commands import console as shell_console
from lightd.cli.commands import line_editor, logs, parsers
from lightd.cli.commands import values as shell_values
from lightd.cli.doctor import checkup
from lightd.config import certificate, sections
from lightd.consoles import log as console_log
from lightd.engines import patterns, read_pause
from lightd.engines.docker import attach, calls, layers, recipe, user_files
from lightd.engines.host import description
from lightd.engines.process import output_log, program
from lightd.files import (
    archiver,
    archives,
    archiving,
    janitor,
    jobs,
    listing,
    measuring,
    packing,
    paths,
    resolve,
    tars,
    unlinked,
    volumes,
    walking,
)
from lightd.files.quota import account, limits, overrun, pool, quotas, surveyor, watch
from lightd.http import errors, queries, wire
from lightd.http import listing as paging
from lightd.http.live import broadcast, expiry, inbound, pacing, session, source
from lightd.http.routes import audit, containers, history, log_search
from lightd.http.routes import tokens as token_routes
from lightd.http.transport import file_transfer, websocket
from lightd.http.transport.settings import Settings
from lightd.journal import compaction
from lightd.logs import container_states, loop_delay, output
from lightd.panel import answers, exchange
from lightd.panel import http as panel_http
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
    "can do {} starts and restarts at once, then one every {} seconds; as many changes": (
        rates.CHANGING.burst,
        rates.CHANGING.every,
    ),
    "and {} stops and kills": (rates.ENDING.burst,),
    "**`containers`** is a list of at most {} ids": (token_routes.MOST_CONTAINERS,),
    "from `1s` to `{}d`": (token_routes.LONGEST_TTL / DAY,),
    "What has arrived is kept for {} hours after its last byte": (janitor.PARTS_KEPT / 3600,),
    "more than {} levels below a source": (packing.DEPTH,),
    "a path of more than {} bytes": (paths.LONGEST_PATH,),
    "The response is sent when that is done, after at most {} seconds or": (containers.DELETE_WAIT,),
    "expression of at most {} characters that compiles to at most {} instructions": (
        patterns.LONGEST,
        patterns.INSTRUCTIONS,
    ),
    "If a pattern needs more than {} s of CPU time for {} KiB of output": (
        follower.SEARCH_LIMIT,
        attach.READ / KIB,
    ),
    "at most the newest {} lines are searched, and an expression that needs more than {} s of CPU": (
        log_search.PAGE * log_search.PAGES,
        log_search.GREP_LIMIT,
    ),
    "a page also ends after {} MiB": (journal.PAGE_BYTES / MIB,),
    "the request waits for that for up to {} seconds": (console.INPUT_TIMEOUT,),
    "a command is at most {} bytes, because Linux would cut it": (console_input.LONGEST_TTY_LINE - 1,),
    "after {} seconds it is rejected with `the console": (console.INPUT_TIMEOUT,),
    "An unfinished line is shown {} s after it was printed or changed": (console.UNFINISHED_DELAY,),
    "is sent in full up to {} lines at once, then {} per second ({} frames of": (
        pacing.FRAMES_AT_ONCE * source.LINES_A_FRAME,
        pacing.FRAMES * source.LINES_A_FRAME,
        pacing.FRAMES,
    ),
    "all consoles together {} per second": (pacing.ALL * source.LINES_A_FRAME,),
    "after {} frames, the client sent more than {} frames of any kind per second for {} seconds": (
        websocket.FRAMES_AT_ONCE,
        websocket.FRAMES_A_SECOND,
        websocket.FLOOD,
    ),
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
    "removed {} hours after the last byte, at the start and every {} hours": (
        janitor.PARTS_KEPT / 3600,
        janitor.EVERY / 3600,
    ),
    "at the start, at a reload and every hour, {} at a time": (trail.PRUNED_AT_ONCE,),
    "The files are checked every {} seconds and at a reload": (certificate.LOOK_EVERY,),
    "A container has {} lines and then one every {} seconds": (
        container_states.BURST,
        container_states.PAUSE,
    ),
    "Any other log call has {} lines and then {} per second": (output.REPEATS, output.REPEATS_RATE),
    "other texts of a client or tenant to {};": (output.LONGEST_MESSAGE,),
    "at most once in {} seconds for each function": (loop_delay.TOLD_EVERY,),
    "`Retry-After: {}`": (errors.RETRY_AFTER,),
    "lightd retries after {} s, then less often, at least every {} s": (
        fleet.BACKOFF.first,
        fleet.BACKOFF.longest,
    ),
    "Before it listens, it waits for Docker for at most {} seconds": (fleet.FIRST_LOOK_TIMEOUT,),
    "A volume that can be walked within {} s is also walked before each write": (quotas.INSTANT,),
    "not before {} times that duration": (account.URGENCY,),
    "that is checked every {} s while a server runs": (watch.QUICK,),
    "have more than {} files open or mapped": (unlinked.MOST,),
    "contains more than twice its size (at least {} MB more)": (overrun.FAR / MIB,),
    "with a step of 1 % (at least {})": (overrun.STRIDE,),
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
    "{} MiB for each minted token (429; a viewer waits), {} MiB for all of them (503)": (
        request_shares.UNREAD / MIB,
        request_shares.ALL_UNREAD / MIB,
    ),
    "{} of them at a time for each minted token; others wait": (history.AT_ONCE,),
    "at most {} KiB unsent in the kernel": (file_transfer.UNSENT / KIB,),
    "bodies of more than {} KiB or {} parts are decoded in a thread": (
        wire.AT_ONCE / KIB,
        wire.PARTS_AT_ONCE,
    ),
    "{} events are read at a time, by position": (source.RECORDS_A_PAGE,),
    "after {} frames of any kind, {} per second are read, and after {} seconds": (
        websocket.FRAMES_AT_ONCE,
        websocket.FRAMES_A_SECOND,
        websocket.FLOOD,
    ),
    "a deadline of {} seconds | `server/test_encryption.py": (SERVER.tls_handshake_timeout,),
    "applied each hour and every {} entries; texts are cut to {} bytes; {} rejections of one minted": (
        trail.GROWN,
        entry.LONGEST,
        trail.REFUSALS,
    ),
    "{} commands a second for each token and container, also for the master token; {} lines wait": (
        1 / rates.SENDING.every,
        console.INPUTS,
    ),
    "{} steps of {} bytes for each container": (stats_history.POINTS, stats_history.SIZE),
    "`PidsLimit`, {} if the request contains none": (recipe.SERVER_PIDS,),
    "or is larger than {} KiB, is refused before anything opens it": (user_files.LONGEST / KIB,),
    "{} of each kind wait": (volumes.WAITING,),
    "work that takes more than {} ms gives its turn away": (volumes.QUICK * 1000,),
    "at most {} entries | `api/test_files.py": (listing.LARGEST,),
    "a walk {} for each level; {} files with several names are told apart": (
        walking.NAMES,
        measuring.REMEMBERED,
    ),
    "`RESOLVE_BENEATH`, {} links": (resolve.LINKS_FOLLOWED,),
}

REMOTE = {
    "requested every {} seconds": (remotesync.HEALTH,),
    "At most {} updates are sent at the same time": (remotesync.AT_ONCE,),
    "Updates of up to {} servers are sent at the same time": (remotesync.AT_ONCE,),
    "(seconds or a date, at most {} minutes)": (panel.LONGEST_ASKED / 60,),
    "A configuration of more than {} MiB, {} values or {} containers": (
        panel_http.LONGEST_DOCUMENT / MIB,
        answers.MOST_MARKS,
        exchange.MOST_ENTRIES,
    ),
    "The first {} conflicts are logged and shown, each cut to {} characters": (
        panel_exchange.MOST_CONFLICTS,
        exchange.LONGEST_REASON,
    ),
}

CLI = {
    "for up to {} seconds or `--wait`": (parsers.LONGEST_WAIT,),
    "that is a red line after {} seconds": (checkup.SECONDS,),
    "The last {} are kept in `$XDG_STATE_HOME/lightd/console_history`": (line_editor.MOST,),
    "the last lines of a console (default: {}, maximum: {})": (logs.LINES, shell_values.MOST_LINES),
}

ENGINES = {
    "two files of {} MiB each in the container's folder": (output_log.BOUND / MIB,),
    "no core files, {} open files": (program.DESCRIPTORS,),
}

ARCHITECTURE = {
    "The attachment reads chunks of up to {} KiB": (attach.READ / KIB,),
    "Up to {} lines per second are sent immediately; up to {} at most every {} ms; above that every {} ms": (
        pacing.SLOW,
        pacing.FAST,
        pacing.SHORT * 1000,
        pacing.LONG * 1000,
    ),
    "is read every {} ms": (read_pause.PAUSE * 1000,),
    "up to {} frames in one write": (broadcast.JOINED,),
    "a body of {} MiB or more is not read before": (file_transfer.LARGE / MIB,),
    "is restarted on its own, after {} s, doubling up to {} s": (
        supervisor.BACKOFF.first,
        supervisor.BACKOFF.longest,
    ),
}

CLAIMS = [
    (page, sentence, values)
    for page, claims in (
        ("docs/api.md", API),
        ("docs/operations.md", OPERATIONS),
        ("docs/security.md", SECURITY),
        ("docs/remote.md", REMOTE),
        ("docs/cli.md", CLI),
        ("docs/engines.md", ENGINES),
        ("docs/architecture.md", ARCHITECTURE),
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
    assert (restarts.BACKOFF.first, restarts.BACKOFF.longest) == (
        1.0,
        60.0,
    )  # "after 1 s … at most 60 s", docs/api.md
    assert rates.SHARED == 2  # "twice these rates", docs/api.md
    assert operations.REMEMBERED == 1000  # "the newest thousand", docs/api.md
    assert spec.ContainerSpec("", "", "", "").install_timeout == 3600.0  # "for at most an hour", docs/api.md
    assert spec.RestartPolicy("never").max == 3  # the default on docs/api.md
    assert SERVER.pings_missed == 2  # "two pings", docs/api.md
    assert compaction.KEPT_TEXTS == 5  # "its five newest crashes", docs/operations.md
    assert log_writer.FLUSH_INTERVAL == 0.25  # "a quarter of a second after", docs/operations.md
    assert restore.AT_ONCE == 4  # "at most four starts at a time", docs/operations.md
    assert calls.DEADLINE == 60.0  # "A call times out after a minute", docs/operations.md
    assert trail.EVERY == 3600.0  # "and every hour", docs/operations.md
    assert daemon.LEAVING < 10  # "within ten seconds", docs/operations.md
    assert watch.BLIND == 5  # "could not be measured five times in a row", docs/operations.md
    many, few = 10**6, 10
    assert limits.far_of(many) == many * 3 / 2  # "at one and a half times the limit", docs/operations.md
    assert limits.far_of(few) == few + 20_000  # "(at least 20,000 more)", docs/operations.md
    assert pool.RESERVE == 1 / 20  # "less than a twentieth of the host's disk", docs/operations.md
    assert supervisor.RestartIntensity().restarts == 3  # "the fourth crash", docs/architecture.md
    assert output.GATHER == 1 / 20  # "at most twenty times per second", docs/architecture.md
    assert remotesync.TIMEOUT == 10.0  # "ten seconds", docs/remote.md
    delays = panel.BACKOFF
    assert (delays.first, delays.longest, delays.jitter) == (
        1.0,
        60.0,
        (1.0, 0.5),
    )  # the table of docs/remote.md
    assert exchange.DEBOUNCE == 2.0  # "two seconds after each change", docs/remote.md
    assert archiver.STEP == 60  # "no progress in a minute of CPU time", docs/security.md
    assert parsers.LONGEST_INSTALLATION == 3600.0  # "default and maximum: one hour", docs/cli.md
    assert shell_console.LEAVING == 2.0  # "at most two seconds", docs/cli.md
    assert 1 // shell_console.PACE == 16  # "at most 16 lines per second", docs/cli.md
