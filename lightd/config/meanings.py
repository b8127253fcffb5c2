"""What each key of the configuration means, for its JSON Schema and for the configuration in the API.

An example is in ``sections.example``; a value here is one that says more.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from lightd.validation.schema import Described, Schema

MEANINGS: Final[Mapping[str, Described]] = MappingProxyType(
    {
        "version": Described("the version of the file's format"),
        "node": Described("the name of this node in labels and in messages to the panel"),
        "server.host": Described("the address to listen on; `::` means every address of IPv6 and of IPv4"),
        "server.port": Described("the port to listen on; 0: the system chooses one", unit="number"),
        "server.tls.cert": Described(
            "a PEM file with the certificate and its chain; empty: plain HTTP", example="/etc/lightd/cert.pem"
        ),
        "server.tls.key": Described(
            "a PEM file with the private key; empty: plain HTTP", example="/etc/lightd/key.pem"
        ),
        "server.allowed_origins": Described(
            "the origins of web pages that can use the API from a browser", example=["https://panel.example"]
        ),
        "server.viewers_per_container": Described(
            "how many WebSockets one container can have at a time", unit="WebSockets"
        ),
        "server.ui": Described("whether the web console is served, at `/` and below `/ui/`"),
        "authorization.enabled": Described(
            "whether a token is required; false is possible on loopback addresses only"
        ),
        "authorization.token": Described("the master token"),
        "docker.engine": Described(
            "what runs the servers: Docker, or `process`, which runs them as local processes"
        ),
        "docker.socket_path": Described("Docker's socket"),
        "docker.allowed_mounts": Described(
            "folders of the host that containers can mount, with everything in them", example=["/srv/maps"]
        ),
        "docker.user": Described("the user of servers; `auto` gives each volume its own"),
        "docker.user_range": Described("the users for `auto`"),
        "docker.read_only": Described("whether servers can write only in their volumes and in `/tmp`"),
        "docker.tmp_mb": Described("the size of a server's `/tmp`, in memory", unit="MB of 1,048,576 bytes"),
        "docker.allow_writable_root": Described("whether a request can ask for a writable root file system"),
        "docker.network_mtu": Described(
            "the MTU of lightd's network; 0: that of the host's default route", unit="bytes"
        ),
        "docker.registries": Described(
            "a file with credentials of registries, by host, as `docker login` writes it",
            example="/root/.docker/config.json",
        ),
        "docker.restore": Described(
            "whether servers that ran when the engine or the host was shut down are started again"
        ),
        "storage.base_path": Described("the daemon's folder", example="/var/lib/lightd"),
        "storage.containers_path": Described(
            "the folder of the containers' logs", example="/var/lib/lightd/containers"
        ),
        "storage.volumes_path": Described("the folder of the volumes", example="/var/lib/lightd/volumes"),
        "storage.quota": Described(
            "how volume sizes are enforced: by what the file system offers (`auto`), with an image file "
            "(`pool`), or by measuring (`accounted`)"
        ),
        "storage.pool_mb": Described(
            "the size of the image file of the volumes; 0: none", unit="MB of 1,048,576 bytes"
        ),
        "monitoring.enabled": Described("whether statistics of running containers are collected"),
        "monitoring.interval_ms": Described("the interval of the statistics", unit="milliseconds"),
        "query.enabled": Described("whether game servers are asked for their players"),
        "query.cache_seconds": Described("how long an answer of a game server is kept", unit="seconds"),
        "remote.enabled": Described("whether a panel is used"),
        "remote.url": Described("the panel's address"),
        "remote.token": Described("the token that the panel expects"),
        "remote.sync_config": Described("whether containers are exchanged with the panel"),
        "remote.catch_up": Described(
            "what the panel receives after an outage: all updates, or each server's latest state"
        ),
        "remote.sftp_auth": Described("whether the panel is asked who may log in over SFTP"),
        "remote.events": Described("whether the panel also receives each start, stop and crash of a server"),
        "audit.keep_days": Described("how long entries of the audit are kept", unit="days"),
        "audit.keep_entries": Described("how many entries of the audit are kept", unit="entries"),
    }
)


def with_meanings(schema: Schema, example: Any, path: str = "") -> Schema:  # noqa: ANN401 - any JSON value
    """Return ``schema``, that of the key ``path``, with what it and the keys in it mean, and ``example``."""
    if "properties" in schema:
        below = {
            name: with_meanings(each, example[name], f"{path}.{name}" if path else name)
            for name, each in schema["properties"].items()
        }
        return {**schema, "properties": below}
    rule = schema.get("description")
    known = MEANINGS.get(path, Described())
    found = known.add_to({**schema, "examples": [example]})
    return {**found, "description": f"{known.description} ({rule})"} if rule else found
