"""What an egg makes of a container, with all public eggs; they are other people's data: see ``test_eggs``."""

import pytest

from actors.container.spec import ContainerSpec, EggUse
from lightd.api import container_fields, egg_containers
from lightd.api.egg_bodies import EggRequest, to_changes, to_envelope
from lightd.api.errors import ApiError
from lightd.eggs import store
from lightd.http.wire import read
from tests.pure.test_eggs import public_eggs, read_egg

PLACE = {"internal_id": "s1", "volume_id": "00000000-0000-0000-0000-000000000000"}


def to_spec(stored, **fields):
    made = egg_containers.to_body(
        EggRequest(stored.id, stored.version, (), {**PLACE, **fields}), stored, images=True
    )
    values = {"startup_command": "", "user": "1:1", **container_fields.to_values(made.body)}
    return made, ContainerSpec(**values)


def to_stored(data):
    parsed = store.parse(data)
    return store.Stored(parsed.egg_id, parsed.version, parsed.text, parsed.found.egg)


def test_public_eggs_make_containers_that_an_upgrade_to_the_same_version_leaves_alone():
    count = 0
    for name, data in public_eggs():
        stored = to_stored(data)
        made, spec = to_spec(stored)
        upgrade = egg_containers.to_upgrade(spec, stored, stored)
        assert (upgrade.changed, upgrade.kept, upgrade.edit.egg) == ((), (), None), name
        assert egg_containers.to_missing(stored.egg, spec) == made.missing == upgrade.missing, name
        rows = egg_containers.to_shown(stored.egg, spec, everything=True)
        assert {row["env"]: row["value"] for row in rows} == dict(spec.egg.variables), name
        count += 1
    assert count == 731


def test_null_is_the_eggs_image_and_command_and_no_installer():
    stored = store.Stored("a", "0" * 16, "", read_egg().egg)
    _, spec = to_spec(stored, image=None, startup_command=None, install=None)
    assert (spec.image, spec.install) == ("example.org/java:21", None)
    assert spec.startup_command.startswith("./game ")


def test_engine_without_images_starts_the_command_in_a_shell():
    stored = store.Stored("a", "0" * 16, "", read_egg(scripts={}).egg)
    asked = EggRequest("a", None, (), PLACE)
    assert egg_containers.to_body(asked, stored, images=False).body.entrypoint == "shell"
    assert egg_containers.to_body(asked, stored, images=True).body.entrypoint == "image"


def test_upgraded_values_are_limited_together():
    many = [{"name": "", "env_variable": f"V{n}", "default_value": "x" * 8192} for n in range(15)]
    old = store.Stored("a", "0" * 16, "", read_egg(variables=many[:1]).egg)
    _, spec = to_spec(old)
    new = store.Stored("a", "1" * 16, "", read_egg(variables=many).egg)
    assert egg_containers.to_upgrade(spec, old, new).added == tuple(f"V{n}" for n in range(1, 15))
    more = [*many, {"name": "", "env_variable": "V15", "default_value": "x" * 8192}]
    with pytest.raises(ApiError, match="must not have more than 131072 characters together"):
        egg_containers.to_upgrade(spec, old, store.Stored("a", "2" * 16, "", read_egg(variables=more).egg))


def test_container_without_an_egg_has_no_variables():
    egg = read_egg().egg
    spec = ContainerSpec("s1", "image", "volume", "run")
    with pytest.raises(TypeError, match="s1 was not created from an egg"):
        egg_containers.to_changed(egg, spec, {}, everything=True)
    whole = ContainerSpec("s1", "image", "volume", "run", egg=EggUse("a", "0" * 16))
    assert egg_containers.to_changed(egg, whole, {}, everything=True).egg.variables == (("NAME", ""),)


def test_many_mistakes_are_counted():
    given = {f"X{n}": "" for n in range(13)}
    with pytest.raises(ApiError, match=r"variables.X9: .*; and 3 more$"):
        egg_containers.to_report(read_egg().egg, given, "")


def test_null_is_the_default_and_other_values_are_texts():
    assert to_changes({"A": None, "B": ""}) == {"A": None, "B": ""}
    for wrong in ({"A": 1}, {"": "x"}, {"A=B": "x"}, {"A": "\0"}, {"A": "x" * 8193}):
        with pytest.raises(ApiError, match="variables: "):
            to_changes(wrong)
    with pytest.raises(ApiError, match="must not have more than 131072 characters together"):
        to_changes({f"A{n}": "x" * 8192 for n in range(16)})


def test_object_with_an_egg_is_told_from_an_egg():
    assert to_envelope(b'\xef\xbb\xbf {"egg": "x"}') == {"egg": "x"}
    for other in (b"{", b'{"meta": {}, "egg": 1}', b'{"a": 1}', b"[]", b"\xff", b'{"egg":' + b"[" * 200):
        assert to_envelope(other) is None


def test_container_of_an_egg_comes_back_from_the_request_that_a_panel_keeps():
    stored = store.Stored("a", "0" * 16, "", read_egg().egg)
    _, spec = to_spec(stored, ports=[{"ip": "127.0.0.1", "port": 1, "name": "QUERY"}])
    request = container_fields.to_request(spec)
    assert request["egg"] == {"id": "a", "version": "0" * 16, "variables": {"NAME": ""}}
    body = read(container_fields.ContainerBody, request)
    assert ContainerSpec(**container_fields.to_values(body)) == spec
