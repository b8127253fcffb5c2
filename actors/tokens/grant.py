"""What a token lets its bearer do."""

import attrs

MASTER = "master"
"""The id of the master token, which is no minted one."""

PERMISSIONS = (
    "console.read",
    "console.write",
    "power",
    "stats",
    "files.read",
    "files.write",
    "network",
    "admin",
)


@attrs.frozen
class Grant:
    """Permissions, and the containers that they hold for; None stands for all of them.

    What belongs to the master token alone (tokens, the configuration, the audit) is in no grant.
    """

    containers: frozenset[str] | None = None
    permissions: frozenset[str] | None = None

    def allows(self, permission: str) -> bool:
        """Return true where ``permission`` is granted for what it reaches."""
        return self.permissions is None or permission in self.permissions

    def reaches(self, internal_id: str) -> bool:
        """Return true where a container exists for the bearer."""
        return self.containers is None or internal_id in self.containers


EVERYTHING = Grant()
