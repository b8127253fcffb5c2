"""What of a new configuration holds at once. Each key stands in one of two lists here, a new one too."""

import copy
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import attrs
import pytest

from lightd.config import sections as config
from lightd.config.reload import LIVE_KEYS, merge
from lightd.logs.redaction import mask
from lightd.validation import reading
from lightd.validation.reading import plain

HERE = Path("/srv/lightd")
BEFORE = {
    "node": "host-1",
    "server": {"host": "127.0.0.1", "tls": {"cert": "/srv/chain.pem", "key": "/srv/key.pem"}},
    "authorization": {"token": "lightd_0123456789abcdef"},
    "remote": {"url": "https://panel.example/api", "token": "lightd_fedcba9876543210"},
}
AT_ONCE = {
    "version": "0.2.0",
    "server.tls.cert": "/srv/other-chain.pem",  # to begin or to end TLS takes a restart: api/test_tls.py
    "server.tls.key": "/srv/other-key.pem",
    "server.allowed_origins": ["https://panel.example"],
    "server.viewers_per_container": 100,
    "server.ui": False,
    "authorization.enabled": False,
    "authorization.token": "lightd_another_master_token",
    "docker.allowed_mounts": ["/srv/maps"],
    "docker.user": "7:8",
    "docker.user_range": "70000-79999",
    "docker.read_only": False,
    "docker.tmp_mb": 64,
    "docker.allow_writable_root": True,
    "docker.restore": False,
    "docker.network_mtu": 1400,
    "docker.registries": "/srv/registries.json",
    "audit.keep_days": 7,
    "audit.keep_entries": 5000,
    "monitoring.enabled": False,
    "monitoring.interval_ms": 2000,
    "query.enabled": False,
    "query.cache_seconds": 60,
    "remote.enabled": True,
    "remote.url": "https://other.example/api",
    "remote.token": "lightd_another_panels_token",
    "remote.sync_config": True,
    "remote.catch_up": "latest",
    "remote.events": True,
    "remote.sftp_auth": True,
}
WITH_A_RESTART = {
    "node": "host-2",
    "server.host": "127.0.0.2",
    "server.port": 8071,
    "sftp.enabled": True,
    "sftp.host": "127.0.0.2",
    "sftp.port": 2023,
    "docker.engine": "process",
    "docker.socket_path": "/run/other.sock",
    "storage.base_path": "/srv/other",
    "storage.containers_path": "/srv/other-containers",
    "storage.volumes_path": "/srv/other-volumes",
    "storage.quota": "accounted",
    "storage.pool_mb": 4096,
}
ANOTHER = {**AT_ONCE, **WITH_A_RESTART}
BROUGHT_ALONG = {"storage.base_path": {"storage.containers_path", "storage.volumes_path"}}  # beneath it
HAS_NO_PASSWORD = {"remote.url"}  # so it is shown, though a wrong one is not


def keys(section=config.Configuration, path=""):
    """Every key that a configuration has, with what reads it."""
    for name, of in get_type_hints(section, include_extras=True).items():
        if attrs.has(of):
            yield from keys(of, f"{path}{name}.")
        else:
            yield path + name, of


def rule_of(annotation):
    inner = plain(annotation)
    return reading.rule_of(get_args(inner)[0] if get_origin(inner) is tuple else annotation)


def value_of(values, key):
    for name in key.split("."):
        values = values[name] if isinstance(values, dict) else getattr(values, name)
    return values


def read(key=None):
    """The configuration; with ``key`` another value stands there."""
    file = copy.deepcopy(BEFORE)
    if key is not None:
        *sections, name = key.split(".")
        section = file
        for each in sections:
            section = section.setdefault(each, {})
        section[name] = ANOTHER[key]
    return config.from_json(file, HERE, "host-1")


def test_every_key_is_known_to_need_a_restart_or_not():
    assert {key for key, _ in keys()} == ANOTHER.keys()
    assert set(AT_ONCE) == LIVE_KEYS


@pytest.mark.parametrize("key", ANOTHER)
def test_key_that_has_changed_is_named_and_has_its_new_value_where_it_can(key):
    running, file = read(), read(key)
    reloaded = merge(running, file)
    named = {key} | BROUGHT_ALONG.get(key, set())
    assert (set(reloaded.applied), set(reloaded.restart_required)) == (
        (named, set()) if key in AT_ONCE else (set(), named)
    )
    assert reloaded.running == (file if key in AT_ONCE else running)
    assert value_of(file, key) != value_of(running, key)


def test_every_key_that_is_a_secret_is_masked_and_no_other():
    running = read()
    shown, whole = running.masked(), config.to_json(running)
    secrets = {key for key, of in keys() if rule_of(of).secret} - HAS_NO_PASSWORD
    assert secrets == {"authorization.token", "remote.token"}
    for key, _ in keys():
        value = value_of(whole, key)
        assert value_of(shown, key) == (mask(value) if key in secrets else value)
