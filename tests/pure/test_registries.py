"""Credentials of registries: their file, and what of it is shown."""

import base64
import json
import os

import pytest

from lightd.cli.doctor import registries as doctor
from lightd.cli.doctor.finding import Verdict
from lightd.engines.docker import registries
from lightd.engines.docker.registries import BadRegistries, Credentials

SECRET = "correct horse battery"
AUTH = base64.b64encode(f"me:{SECRET}".encode()).decode()


def parse(**auths):
    return registries.parse(json.dumps({"auths": auths}).encode())


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("Registry.Example:5000", "registry.example:5000"),
        ("docker.io", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("https://other.example/v1/", "https://other.example/v1/"),  # no host, so no image has it
    ],
)
def test_entry_counts_for_exactly_its_host(key, host):
    assert parse(**{key: {"auth": AUTH}}) == {host: Credentials("me", SECRET)}


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        ({"auth": AUTH}, {"username": "me", "password": SECRET}),
        ({"username": "me", "password": SECRET}, {"username": "me", "password": SECRET}),
        ({"identitytoken": SECRET, "auth": AUTH}, {"identitytoken": SECRET}),
    ],
)
def test_header_for_docker_holds_the_entry_and_its_host(entry, fields):
    header = parse(host=entry)["host"].to_header("host")
    assert json.loads(base64.urlsafe_b64decode(header)) == {**fields, "serveraddress": "host"}
    assert SECRET not in repr(parse(host=entry))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", 'it has no object "auths"'),
        (b'{"auths": []}', 'it has no object "auths"'),
        *(
            (json.dumps({"auths": {"host": entry}}).encode(), 'the entry of .host. in "auths" has neither')
            for entry in (
                7,
                {},
                {"auth": "%"},
                {"auth": base64.b64encode(b"\xff:").decode()},
                {"auth": "bWU="},
            )
        ),
    ],
)
def test_file_that_is_wrong_is_told_without_what_it_holds(text, why):
    with pytest.raises(BadRegistries, match=why):
        registries.parse(text)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "registries.json"
    path.write_text(json.dumps({"auths": {"b.example": {"auth": AUTH}, "a.example": {"auth": AUTH}}}))
    path.chmod(0o600)
    return path


def test_file_that_others_may_read_is_refused(file):
    assert registries.read(file)["a.example"] == Credentials("me", SECRET)
    assert doctor.check(file).verdict is Verdict.GOOD
    assert "a.example, b.example" in doctor.check(file).text
    file.chmod(0o640)
    with pytest.raises(BadRegistries, match="other users can read it: chmod 600"):
        registries.read(file)
    assert (doctor.check(file).verdict, doctor.check(file).mend) == (Verdict.BAD, f"chmod 600 {file}")


def test_path_that_is_no_file_is_refused_and_blocks_nobody(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name, why in (("fifo", "it is not a regular file"), ("missing", "No such file")):
        with pytest.raises(BadRegistries, match=why):
            registries.read(tmp_path / name)
    assert doctor.check(tmp_path / "missing").mend.startswith("docker --config")
