"""The panel: whether it answers, takes the token, and lives in the same minute."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from lightd.config import Remote
from lightd.config_rules import is_loopback
from lightd.doctor.finding import Area, Finding, Tell
from lightd.doctor.subject import Subject
from lightd.panel.answers import Answer, to_ailment
from lightd.panel.http import PanelUnavailable, open_http_panel

SLOW: Final = "remote.url, or the panel behind it"
SKEW: Final = 30.0
_AREA = Area("panel")
_REFUSALS = (401, 403)


async def look(subject: Subject, tell: Tell) -> None:
    """Look at the panel, where there is one."""
    assert subject.configuration is not None  # noqa: S101 - it is not asked without
    remote = subject.configuration.remote
    if not remote.enabled:
        tell(_AREA.good("url", "none is wanted (remote.enabled is false)"))
        return
    async with open_http_panel(remote.url, remote.token) as panel:
        try:
            answer = await panel.ask("GET", "/health")
        except PanelUnavailable as trouble:
            tell(to_unreachable(remote, str(trouble)))
            return
    for finding in to_findings(remote, answer, subject.now):
        tell(finding)


def to_unreachable(remote: Remote, reason: str) -> Finding:
    """A panel with which no word was exchanged. Pure."""
    if "CERTIFICATE" in reason.upper():
        mend = "a certificate for that name; an authority of your own: update-ca-certificates"
        return _AREA.bad("tls", f"{remote.url} is not trusted: {reason}", mend)
    return _AREA.bad(
        "url", f"{remote.url} does not answer: {reason}", f"remote.url; curl -v {remote.url}/health"
    )


def to_findings(remote: Remote, answer: Answer, now: float) -> Iterator[Finding]:
    """What the answer to a look at its health means. Pure."""
    parts = urlsplit(remote.url)
    if parts.scheme == "https":
        yield _AREA.good("tls", "its certificate is trusted")
    elif not is_loopback(parts.hostname or ""):
        yield _AREA.doubtful(
            "tls", "remote.url is http: the token travels in the clear", "remote.url: https://…"
        )
    ailment = to_ailment(answer)
    if answer.status in _REFUSALS:
        yield _AREA.bad("token", f"it refuses remote.token ({answer.status})", "remote.token")
    elif ailment is not None:
        yield _AREA.bad("url", f"{remote.url}/health: {ailment}", f"remote.url; curl -v {remote.url}/health")
    else:
        yield _AREA.good("url", f"{remote.url} is well, and takes the token")
    try:
        skew = parsedate_to_datetime(answer.headers["date"]).timestamp() - now
    except (KeyError, ValueError):
        return
    if abs(skew) > SKEW:
        text = f"its clock is {abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} this one"
        yield _AREA.bad("clock", text, "timedatectl set-ntp true, on both")
    else:
        yield _AREA.good("clock", "its clock and this one agree")
