"""Asks the panel whether a client of SFTP may log in: ``POST {url}/sftp/auth``."""

import logging
from typing import Final

import trio

from lightd.api.panel_logins import PanelGrant, PanelLogin
from lightd.config.sections import Remote
from lightd.panel.answers import Answer
from lightd.panel.http import PanelUnavailable, open_http_panel

logger = logging.getLogger(__name__)

PATIENCE: Final = 10.0
"""Seconds that the panel may take: a client has 20 to log in."""
USUAL: Final = 3600.0
LONGEST: Final = 86_400.0
"""Seconds that a login lasts, usually and at most."""
_OK: Final = 200


async def ask(settings: Remote, login: PanelLogin) -> PanelGrant | None:
    """Return what the panel grants; None if it refuses, or does not answer in time (which is logged)."""
    proof = {"public_key": login.key} if login.key else {"password": login.password}
    document = {
        "username": login.username,
        "container": login.internal_id,
        "address": login.address,
        **proof,
    }
    trouble = f"no answer within {PATIENCE:g} seconds"
    with trio.move_on_after(PATIENCE):
        try:
            async with open_http_panel(settings.url, settings.token) as panel:
                answer = await panel.ask("POST", "/sftp/auth", document)
        except PanelUnavailable as error:
            trouble = str(error)
        else:
            return to_grant(answer)
    logger.warning("the panel was not asked about an SFTP login: %s", trouble)
    return None


def to_grant(answer: Answer) -> PanelGrant | None:
    """Return what an answer grants: only a 200 with ``files.read`` among its ``permissions`` does."""
    document = answer.json
    if answer.status != _OK or not isinstance(document, dict):
        return None
    permissions, ttl = document.get("permissions"), document.get("ttl", USUAL)
    if not isinstance(permissions, list) or "files.read" not in permissions:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not ttl > 0:
        return None
    return PanelGrant("files.write" not in permissions, min(float(ttl), LONGEST))
