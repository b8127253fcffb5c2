"""Names of images: Docker's grammar, and nothing that leads to another of Docker's routes."""

import pytest

from actors.container.engine import EngineRefused
from lightd.engines import image_names
from lightd.engines.docker import translate

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "name",
    [
        "debian",
        "debian:12",
        "library/debian:12-slim",
        "ghcr.io/pkglatv/games_a/server.b__c--d:1.2.3_x",
        "localhost/x",
        "127.0.0.1:5000/slow/image:1",
        "Registry.Example:443/x",
        f"debian@sha256:{HEX}",
        f"debian:12@sha256:{HEX}",
        f"sha256:{HEX}",
        HEX,
    ],
)
def test_name_of_an_image_is_taken(name):
    assert image_names.is_name(name)
    assert translate.to_image_path(name) == f"images/{name}/json"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a//b:1",
        "a/",
        "/a",
        "x/../../containers/y",
        "../x",
        "a/./b",
        "a/..",
        "a%2Fb",
        "a?b",
        "a#b",
        "a b",
        "a\n",
        "a:b:c",
        "a:",
        "a@",
        "a@sha256:12",
        "a:1/b/../c",
        "-a",
        "A",
        "a:.b",
        "ä",
        "a" * 256,
    ],
)
def test_text_that_is_no_name_of_an_image_is_never_a_path(name):
    assert not image_names.is_name(name)
    with pytest.raises(EngineRefused):
        translate.to_image_path(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a/../b", "a%2f..", "a?x", "-a", "a\n"])
def test_text_that_is_no_name_of_a_container_is_never_a_path(name):
    with pytest.raises(EngineRefused):
        translate.to_container_path(name, "json")


def test_path_of_a_container_holds_its_name_and_what_is_asked():
    assert translate.to_container_path("lightd.next-a_b") == "containers/lightd.next-a_b"
    assert translate.to_container_path(HEX, "json") == f"containers/{HEX}/json"


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("debian:12", "docker.io"),
        ("library/debian", "docker.io"),
        ("Registry.Example/x:1", "registry.example"),
        ("localhost/x", "localhost"),
        ("localhost:5000/x/y", "localhost:5000"),
        ("a:5000/x", "a:5000"),
        ("debian:12.1", "docker.io"),
    ],
)
def test_registry_of_a_name_is_its_host(name, host):
    assert image_names.to_registry(name) == host
