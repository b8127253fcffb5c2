"""What a token permits."""

import attrs

MASTER = "master"
"""The id of the master token, which is configured, not minted."""

PERMISSIONS = (
    "console.read",
    "console.write",
    "power",
    "stats",
    "files.read",
    "files.write",
    "network",
    "startup",
    "admin",
)


@attrs.frozen
class Grant:
    """Permissions and the containers that they apply to; None means all.

    What only the master token can do (tokens, the configuration, the audit log) is in no grant.
    """

    containers: frozenset[str] | None = None
    permissions: frozenset[str] | None = None

    def allows(self, permission: str) -> bool:
        """Return true if ``permission`` is granted for the containers that the grant covers."""
        return self.permissions is None or permission in self.permissions

    def reaches(self, internal_id: str) -> bool:
        """Return true if the grant covers this container."""
        return self.containers is None or internal_id in self.containers


EVERYTHING = Grant()
