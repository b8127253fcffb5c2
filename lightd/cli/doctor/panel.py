"""The panel: whether it answers, accepts the token, and has the same time."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import trio

from lightd.cli.doctor.finding import Area, Finding, Tell
from lightd.cli.doctor.subject import Subject
from lightd.config.rules import is_loopback
from lightd.config.sections import Remote
from lightd.panel.answers import Answer, to_health_error
from lightd.panel.http import PanelUnavailable, open_http_panel

SLOW: Final = "check remote.url and the panel behind it"
SKEW: Final = 30.0
_AREA = Area("panel")
_REFUSALS = (401, 403)


async def look(subject: Subject, tell: Tell) -> None:
    """Check the panel, if one is configured."""
    assert subject.configuration is not None  # noqa: S101 - this check is skipped without one
    remote = subject.configuration.remote
    if not remote.enabled:
        tell(_AREA.good("url", "no panel is configured (remote.enabled is false)"))
        return
    async with open_http_panel(remote.url, remote.token) as panel:
        began = trio.current_time()
        try:
            answer = await panel.ask("GET", "/health")
        except PanelUnavailable as trouble:
            tell(to_unreachable(remote, str(trouble)))
            return
    took = trio.current_time() - began
    for finding in to_findings(remote, answer, subject.now, took):
        tell(finding)


def to_unreachable(remote: Remote, reason: str) -> Finding:
    """The finding for a panel that cannot be reached. Pure."""
    if "CERTIFICATE" in reason.upper():
        mend = "install a certificate for that name; for a private authority: update-ca-certificates"
        return _AREA.bad("tls", f"the certificate of {remote.url} is not trusted: {reason}", mend)
    return _AREA.bad(
        "url", f"{remote.url} does not answer: {reason}", f"check remote.url: curl -v {remote.url}/health"
    )


def to_findings(remote: Remote, answer: Answer, now: float, took: float = 0.0) -> Iterator[Finding]:
    """The findings for the response of the panel's health check, asked for at ``now``. Pure."""
    parts = urlsplit(remote.url)
    if parts.scheme == "https":
        yield _AREA.good("tls", "the panel's certificate is trusted")
    elif not is_loopback(parts.hostname or ""):
        yield _AREA.doubtful(
            "tls", "remote.url is http: the token is sent unencrypted", "use https:// in remote.url"
        )
    error = to_health_error(answer)
    if answer.status in _REFUSALS:
        yield _AREA.bad("token", f"the panel rejects remote.token ({answer.status})", "correct remote.token")
    elif error is not None:
        yield _AREA.bad(
            "url", f"{remote.url}/health: {error}", f"check remote.url: curl -v {remote.url}/health"
        )
    else:
        yield _AREA.good("url", f"{remote.url} is healthy and accepts the token")
    try:
        skew = parsedate_to_datetime(answer.headers["date"]).timestamp() - now
    except (KeyError, ValueError):
        return
    skew = skew if skew < 0 else max(0.0, skew - took)
    if abs(skew) > SKEW:
        text = f"the panel's clock is {abs(skew):.0f} seconds {'ahead' if skew > 0 else 'behind'}"
        yield _AREA.bad("clock", text, "timedatectl set-ntp true, on both machines")
    else:
        yield _AREA.good("clock", "the panel's clock agrees with this machine's")
