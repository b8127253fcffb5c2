import json
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightd.config import file, rules, schema
from lightd.config import sections as config
from lightd.config.engines import ENGINES
from lightd.config.exposure import to_exposure
from lightd.engines.opening import OPENERS

HERE = Path("/srv/lightd")
TOKEN = "lightd_0123456789abcdef"
A_TOKEN = 'must be a token: "lightd_" followed by at least 13 printable ASCII characters without spaces'
ROOT = Path(__file__).parents[2]


def read(value):
    return config.from_json(value, HERE, "host-1")


def mistakes(value):
    with pytest.raises(config.ConfigurationError) as caught:
        read(value)
    return list(caught.value.mistakes)


def file_with(**sections):
    return {"authorization": {"token": TOKEN}, **sections}


# ---- what is right


def test_token_is_the_only_key_that_must_be_given():
    assert read(file_with()) == read(config.first_file(TOKEN))


def test_file_of_a_first_start_has_every_key_of_the_contract():
    assert config.first_file(TOKEN) == {
        "version": "0.1.0",
        "server": {"host": "127.0.0.1", "port": 8070},
        "authorization": {"enabled": True, "token": TOKEN},
        "docker": {
            "engine": "docker",
            "socket_path": "/var/run/docker.sock",
            "allowed_mounts": [],
            "user": "988:988",
            "read_only": True,
            "tmp_mb": 100,
            "restore": True,
            "allow_writable_root": False,
            "network_mtu": 0,
            "registries": "",
        },
        "storage": {
            "base_path": "./storage",
            "containers_path": "./storage/containers",
            "volumes_path": "./storage/volumes",
        },
        "monitoring": {"enabled": True, "interval_ms": 1000},
        "remote": {"enabled": False, "url": "", "token": "", "sync_config": False, "catch_up": "all"},
    }


def test_relative_paths_lie_beneath_the_directory_of_the_file_and_absolute_ones_stay():
    storage = read(file_with(storage={"base_path": "./data", "volumes_path": "/mnt/volumes"})).storage
    assert storage.base_path == HERE / "data"
    assert storage.containers_path == HERE / "data/containers"
    assert storage.volumes_path == Path("/mnt/volumes")


def test_user_is_read_as_two_numbers():
    assert read(file_with(docker={"user": "0:1000"})).docker.user == rules.User(0, 1000)


def test_node_is_named_after_the_host_unless_the_file_names_it():
    assert read(file_with()).node == "host-1"
    assert read(file_with(node="fra-2")).node == "fra-2"


@pytest.mark.parametrize(
    ("host_name", "node"),
    [("gs-1.example", "gs-1.example"), ("käse keller", "k-se-keller"), ("x" * 70, "x" * 63), ("", "node")],
)
def test_host_name_is_cleaned_until_it_can_name_a_node(host_name, node):
    assert file.node_name(host_name) == node
    assert read(file_with(node=node)).node == node


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", "LOCALHOST"])
def test_daemon_without_authorization_can_listen_on_loopback(host):
    value = file_with(server={"host": host}, authorization={"enabled": False, "token": TOKEN})
    assert read(value).server.host == host


@pytest.mark.parametrize(
    ("written", "host"),
    [("::ffff:127.0.0.1", "127.0.0.1"), ("::FFFF:7f00:1", "127.0.0.1"), ("0:0:0:0:0:0:0:1", "::1")],
)
def test_address_to_listen_on_has_one_form(written, host):
    value = file_with(server={"host": written}, authorization={"enabled": False, "token": TOKEN})
    assert read(value).server.host == host
    assert rules.is_loopback(written)


def test_panel_that_is_enabled_has_its_address_and_token():
    remote = {"enabled": True, "url": "https://panel.example:8443/api", "token": TOKEN}
    assert read(file_with(remote=remote)).remote.url == "https://panel.example:8443/api"


def test_example_is_valid_and_shows_every_key():
    example = json.loads((ROOT / "config/config.example.json").read_text())
    example["authorization"]["token"] = TOKEN
    assert config.to_json(read(example)).keys() == example.keys()
    for key, section in config.to_json(read(example)).items():
        if isinstance(section, dict):
            assert section.keys() == example[key].keys()


# ---- what is wrong


def test_every_mistake_is_told_with_its_path():
    value = {
        "server": {"host": "http://x", "port": "abc", "prot": 1},
        "authorization": {"enabled": 1, "token": "hunter2"},
        "docker": {
            "engine": "podman",
            "allowed_mounts": ["/srv", "srv", "/a/../b"],
            "user": "root",
            "socket_path": "",
        },
        "storage": [],
        "monitoring": {"enabled": "yes", "interval_ms": 99},
        "remote": {"url": "ftp://panel", "sync_config": None, "token": "short"},
        "node": "a b",
        "x\n": 1,
    }
    assert mistakes(value) == [
        (
            f'"x\\n": unknown field (known here: {", ".join(config.first_file(TOKEN))}, audit, query, sftp,'
            " node)"
        ),
        (
            "server.prot: unknown field"
            " (known here: host, port, tls, allowed_origins, viewers_per_container, ui)"
        ),
        'server.host: must be an IP address or a host name (got "http://x")',
        'server.port: must be a whole number between 0 and 65535 (got "abc")',
        "authorization.enabled: must be true or false (got 1)",
        f"authorization.token: {A_TOKEN}",
        'docker.engine: must be "docker" or "process" (got "podman")',
        'docker.socket_path: must be a path (got "")',
        'docker.allowed_mounts[1]: must be an absolute path without ".." (got "srv")',
        'docker.allowed_mounts[2]: must be an absolute path without ".." (got "/a/../b")',
        'docker.user: must be "auto", or "uid:gid", two numbers below 2147483648 (got "root")',
        "storage: must be an object (got a list)",
        'monitoring.enabled: must be true or false (got "yes")',
        "monitoring.interval_ms: must be between 100 and 60000 (got 99)",
        "remote.url: must be an http:// or https:// URL without a password, query or fragment, or empty",
        f"remote.token: {A_TOKEN}, or empty",
        "remote.sync_config: must be true or false (got null)",
        'node: must be a name of 1 to 63 characters out of A-Z a-z 0-9 _ . - (got "a b")',
    ]


def test_contradiction_is_told_along_with_the_other_mistakes():
    server = {"port": True, "host": "0.0.0.0"}
    assert mistakes({"server": server, "authorization": {"enabled": False, "token": TOKEN}}) == [
        "server.port: must be a whole number between 0 and 65535 (got true)",
        'server.host: must be a loopback address while authorization.enabled is false (got "0.0.0.0")',
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", "localhost.example.org"])
def test_daemon_without_authorization_listens_on_loopback_only(host):
    value = file_with(server={"host": host}, authorization={"enabled": False, "token": TOKEN})
    (line,) = mistakes(value)
    assert line.startswith("server.host: must be a loopback address")


def test_panel_that_is_enabled_needs_its_address_and_token():
    assert mistakes(file_with(remote={"enabled": True})) == [
        "remote.url: is required if remote.enabled is true",
        "remote.token: is required if remote.enabled is true",
    ]


def test_certificate_needs_its_key_and_a_key_its_certificate():
    assert mistakes(file_with(server={"tls": {"cert": "c.pem"}})) == [
        "server.tls.key: is required if server.tls.cert is set",
    ]
    assert mistakes(file_with(server={"tls": {"cert": "", "key": "k.pem"}})) == [
        "server.tls.cert: is required if server.tls.key is set",
    ]
    assert mistakes(file_with(server={"tls": {"cert": 1, "pem": ""}})) == [
        "server.tls.pem: unknown field (known here: cert, key)",
        "server.tls.cert: must be a path, or empty (got 1)",
    ]
    tls = read(file_with(server={"tls": {"cert": "c.pem", "key": "/etc/k.pem"}})).server.tls
    assert (tls.cert, tls.key) == (HERE / "c.pem", Path("/etc/k.pem"))
    assert read(file_with(server={"tls": {"cert": "", "key": ""}})) == read(file_with())


def test_origins_are_read_as_browsers_write_them():
    listed = ["https://Panel.example", "HTTP://localhost:3000", "https://a.example:443", "http://[::1]:80"]
    assert read(file_with(server={"allowed_origins": listed})).server.allowed_origins == (
        "https://panel.example",
        "http://localhost:3000",
        "https://a.example",
        "http://[::1]",
    )
    for every in ("*", ["*"]):
        assert read(file_with(server={"allowed_origins": every})).server.allowed_origins == ("*",)


@pytest.mark.parametrize(
    "wrong",
    [
        "https://panel.example/",
        "https://panel.example/path",
        "https://user@panel.example",
        "https://panel.example?x",
        "https://*.example",
        "https://panel.example:0",
        "https://panel.example:65536",
        "https://panel.example:",
        "panel.example",
        "null",
        "",
        " https://panel.example",
        "https://panel.example\n",
        "https://p\u00e4nel.example",
        7,
        None,
    ],
)
def test_allowed_origin_that_is_none_is_a_mistake(wrong):
    (line,) = mistakes(file_with(server={"allowed_origins": ["https://fine.example", wrong]}))
    assert line.startswith("server.allowed_origins[1]: must be an origin without a path, for example ")
    assert line.isprintable()


def test_origins_are_a_list_or_a_star():
    for wrong in ("https://panel.example", {}, None, True):
        (line,) = mistakes(file_with(server={"allowed_origins": wrong}))
        assert line.startswith('server.allowed_origins: must be a list, or "*" (got ')


def test_containers_and_volumes_lie_apart():
    (line,) = mistakes(file_with(storage={"containers_path": "x", "volumes_path": "/srv/lightd/x/y"}))
    assert line.startswith("storage.volumes_path: must be separate")


def test_file_without_a_token_says_so_whatever_else_is_missing():
    assert mistakes({}) == ["authorization.token: is missing"]
    assert mistakes(file_with(authorization=None)) == ["authorization: must be an object (got null)"]
    assert mistakes([]) == ["(the whole file): must be an object (got a list)"]


@pytest.mark.parametrize(
    ("section", "key", "wrong"),
    [
        ("server", "port", -1),
        ("server", "port", 65536),
        ("server", "port", 8070.0),
        ("server", "host", ""),
        ("server", "host", "1.2.3.4.5"),
        ("server", "host", "fe80::1%eth0"),
        ("server", "host", "a b"),
        ("authorization", "token", "lightd_" + "x" * 12),
        ("authorization", "token", "lightd_" + "x" * 20 + " y"),
        ("authorization", "token", "Lightd_" + "x" * 20),
        ("authorization", "token", "lightd_" + "ä" * 20),
        ("docker", "user", "1"),
        ("docker", "user", "-1:1"),
        ("docker", "user", "2147483648:1"),
        ("docker", "user", 988),
        ("docker", "allowed_mounts", "/srv"),
        ("storage", "base_path", "a\0b"),
        ("storage", "base_path", "\ud800"),
        ("monitoring", "interval_ms", 60001),
        ("remote", "url", "https://"),
        ("remote", "url", "https://user:secret@panel.example"),
        ("remote", "url", "https://panel.example/?a=b"),
        ("remote", "url", "https://panel.example:0/"),
        ("remote", "url", "https://panel.example:x/"),
        ("remote", "url", "https://[::1/"),
        ("remote", "url", "https://panel.example/a b"),
        ("remote", "url", 7),
        ("remote", "catch_up", "none"),
        ("remote", "catch_up", ["all"]),
    ],
)
def test_wrong_value_is_one_mistake_at_its_key(section, key, wrong):
    (line,) = mistakes(
        {**file_with(), section: {"token": TOKEN, key: wrong}}
        if section == "authorization"
        else file_with(**{section: {key: wrong}})
    )
    assert line.startswith(f"{section}.{key}")
    assert line.isprintable()


def test_no_mistake_repeats_a_secret():
    wrong = file_with(
        authorization={"token": "my secret"},
        remote={"url": "https://user:secret@panel.example", "token": "secret"},
        node=f"{TOKEN} ",
        **{TOKEN: 1},
    )
    assert "secret" not in "\n".join(mistakes(wrong))
    assert TOKEN not in "\n".join(mistakes(wrong))


def test_long_value_is_repeated_in_part():
    (line,) = mistakes(file_with(node="x" * 5000))
    assert len(line) < 200


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('{\n  "server": nope}', "line 2, column 13: malformed JSON: Expecting value"),
        ("", "line 1, column 1: malformed JSON: Expecting value"),
        ('{"a": NaN}', "malformed JSON: NaN is not a JSON number"),
        ("[" * 100_000, "malformed JSON: nested too deeply"),
        ('{"server": {"port": 1, "port": 2}}', "port: duplicate key"),
    ],
)
def test_malformed_json_says_where(text, mistake):
    with pytest.raises(config.ConfigurationError) as caught:
        config.parse(text, HERE, "host-1")
    assert caught.value.mistakes == (mistake,)


# ---- what is never shown


def test_masked_configuration_shows_the_last_four_characters_of_each_token():
    remote = {"enabled": True, "url": "https://panel.example", "token": "lightd_fedcba9876543210"}
    configuration = read(file_with(remote=remote))
    shown = configuration.masked()
    assert shown["authorization"]["token"] == "lightd_…cdef"
    assert shown["remote"]["token"] == "lightd_…3210"
    assert {**shown, "authorization": 0, "remote": 0} == {
        **config.to_json(configuration),
        "authorization": 0,
        "remote": 0,
    }


def test_panel_without_a_token_is_shown_without_one():
    assert read(file_with()).masked()["remote"]["token"] == ""


def test_repr_of_a_configuration_holds_no_token():
    assert TOKEN not in repr(read(file_with(remote={"token": TOKEN})))


# ---- any input

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def nearly(cls):
    """Values with the keys of ``cls``, and whatever else."""
    keys = {
        field.name: (nearly(field.type) if attrs.has(field.type) else st.nothing()) | JSON
        for field in attrs.fields(cls)
    }
    return st.fixed_dictionaries({}, optional={**keys, "unknown": JSON})


attrs.resolve_types(config.Configuration)


@settings(deadline=None)
@given(JSON | nearly(config.Configuration))
def test_any_json_is_a_configuration_or_a_list_of_mistakes(value):
    try:
        configuration = read(value)
    except config.ConfigurationError:
        assert all(line.isprintable() for line in mistakes(value))
    else:
        assert read(config.to_json(configuration)) == configuration


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_configuration_or_a_list_of_mistakes(text):
    with pytest.raises(config.ConfigurationError) as caught:
        config.parse(text, HERE, "host-1")
    assert caught.value.mistakes


TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=13).map(
    lambda rest: f"lightd_{rest}"
)
PATHS = st.from_regex(r"(/?[a-z]{1,5}){1,4}", fullmatch=True)
RIGHT = st.fixed_dictionaries(
    {"authorization": st.fixed_dictionaries({"token": TOKENS})},
    optional={
        "server": st.fixed_dictionaries(
            {},
            optional={
                "host": st.ip_addresses().map(str),
                "port": st.integers(0, 65535),
                "viewers_per_container": st.integers(1, 10_000),
                "ui": st.booleans(),
                "tls": st.fixed_dictionaries({"cert": PATHS, "key": PATHS}),
                "allowed_origins": st.just("*") | st.lists(st.sampled_from(["https://a.example:8443", "*"])),
            },
        ),
        "docker": st.fixed_dictionaries(
            {"allowed_mounts": st.lists(PATHS.map(lambda path: f"/{path}"))},
            optional={
                "user": st.tuples(st.integers(0, 9999), st.integers(0, 9999)).map("{0[0]}:{0[1]}".format)
            },
        ),
        "storage": st.fixed_dictionaries({"base_path": PATHS}),
        "remote": st.fixed_dictionaries({"token": TOKENS | st.just(""), "sync_config": st.booleans()}),
    },
)


@settings(deadline=None)
@given(RIGHT)
def test_configuration_comes_back_from_its_own_json(value):
    configuration = read(value)
    assert (
        config.parse(json.dumps(config.to_json(configuration)), Path("/elsewhere"), "other") == configuration
    )


def test_user_of_a_first_file_is_lightds_own_where_it_is_not_root():
    first = read(config.first_file(TOKEN))
    assert config.held_by(first, 0, 0) == first
    assert str(config.held_by(first, 1000, 100).docker.user) == "1000:100"
    assert str(config.held_by(read(config.first_file(TOKEN, root=True)), 1000, 100).docker.user) == "1000:100"
    assert str(config.held_by(read(config.first_file(TOKEN, root=True)), 0, 0).docker.user) == "auto"
    chosen = read({**config.first_file(TOKEN), "docker": {"user": "7:7"}})
    assert config.held_by(chosen, 1000, 100) == chosen


# ---- the schema


def test_schema_on_disk_is_the_one_of_the_code():
    made = subprocess.run(
        [sys.executable, "-m", "lightd.config.schema"], capture_output=True, check=True, cwd=ROOT
    )
    assert (ROOT / "config/config.schema.json").read_bytes() == made.stdout
    assert json.loads((ROOT / "config/config.example.json").read_text()) == config.example()


def test_schema_asks_for_the_token_alone():
    document = schema.to_document()
    required = {key: held["required"] for key, held in document["properties"].items() if "required" in held}
    assert document["required"] == ["authorization"]
    assert [key for key, names in required.items() if names] == ["authorization"]


def test_pool_needs_a_size_and_a_folder_apart_from_its_image():
    storage = read(file_with(storage={"quota": "pool", "pool_mb": 128})).storage
    assert (storage.quota, storage.pool_mb) == ("pool", 128)
    assert mistakes(file_with(storage={"quota": "pool"})) == [
        'storage.pool_mb: must not be 0 if storage.quota is "pool"',
    ]
    inside = {
        "quota": "pool",
        "pool_mb": 128,
        "base_path": "x/v",
        "volumes_path": "x",
        "containers_path": "c",
    }
    assert mistakes(file_with(storage=inside)) == [
        "storage.volumes_path: must not contain storage.base_path: the pool would hide its image file",
    ]
    for wrong in (127, -1, True, 2**40 + 1, "128"):
        (line,) = mistakes(file_with(storage={"pool_mb": wrong}))
        assert line.startswith(f"storage.pool_mb: must be 0, or a whole number between 128 and {2**40} (got ")
    for wrong in ("btrfs", 1, None):
        (line,) = mistakes(file_with(storage={"quota": wrong}))
        assert line.startswith('storage.quota: must be "auto", "pool" or "accounted" (got ')


def test_every_engine_that_can_be_configured_can_be_opened():
    assert OPENERS.keys() == ENGINES.keys()


# ---- a first hour without traps


@pytest.mark.parametrize(
    "token",
    [
        config.EXAMPLE_TOKEN,
        "lightd_change-me-change-me",
        "lightd_CHANGE_ME_0123456789",
        "lightd_changeme0123456789",
    ],
)
def test_placeholder_is_no_token(token):
    (mistake,) = mistakes({"authorization": {"token": token}})
    assert mistake.startswith("authorization.token: is the placeholder of the example")
    assert "lightd --token reset" in mistake
    assert token not in mistake


def test_example_is_refused_until_it_has_a_token_of_its_own():
    assert [mistake.partition(":")[0] for mistake in mistakes(config.example())] == ["authorization.token"]


@pytest.mark.parametrize(
    ("host", "exposed"),
    [
        ("127.0.0.1", False),
        ("::1", False),
        ("localhost", False),
        ("10.1.2.3", False),
        ("192.168.0.9", False),
        ("172.31.0.1", False),
        ("100.64.0.1", False),
        ("fd00::1", False),
        ("0.0.0.0", True),
        ("::", True),
        ("203.0.113.9", True),
        ("172.32.0.1", True),
        ("2001:db8::1", True),
        ("node.example.org", True),
    ],
)
def test_plain_http_on_a_public_address_is_an_exposure(host, exposed):
    server = read(file_with(server={"host": host})).server
    assert (to_exposure(server) is not None) is exposed
    tls = {"cert": "a.pem", "key": "b.pem"}
    assert to_exposure(read(file_with(server={"host": host, "tls": tls})).server) is None


def test_configuration_that_names_an_address_keeps_it():
    assert read(file_with(server={"host": "0.0.0.0"})).server.host == "0.0.0.0"
    assert read(file_with()).server.host == "127.0.0.1"
