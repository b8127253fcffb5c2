"""Text that was written on another system is read as it was meant."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.container import editing, events
from actors.container.plain_text import to_command, to_text
from actors.container.spec import ContainerSpec, StopPolicy
from actors.container.state import State
from lightd.api.container_fields import ContainerBody, EditBody, ReinstallBody
from lightd.api.errors import ApiError
from lightd.http.wire import loads, read
from lightd.journal.codec import Codec
from tests.support.builders import a_spec

MARK = "\ufeff"
BODY = {
    "internal_id": "s1",
    "image": "busybox:1",
    "volume_id": "00000000-0000-4000-8000-000000000000",
    "startup_command": f"{MARK}cd world &&\r\n./server nogui \r\n",
    "start_pattern": f"{MARK}^Done\r\n",
    "install_script": f"{MARK}#!/bin/sh\r\nmkdir mods\r\ncat <<EOF >a\r\nx \r\nEOF\r\n",
    "stop": {"type": "command", "value": "stop\r\n"},
    "environment": {"MOTD": "a\r\nb \r\n"},
}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a\r\nb\r\n", "a\nb\n"),
        ("a\rb\r", "a\nb\n"),
        ("a\r\r\nb", "a\n\nb"),
        (f"{MARK}a\n{MARK}{MARK}b", "a\nb"),
        (f"a{MARK}b", f"a{MARK}b"),
        ("a \n b\t", "a \n b\t"),
        ("", ""),
    ],
)
def test_text_has_line_feeds_and_no_marks(written, meant):
    assert to_text(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("stop\r\n", "stop"),
        ("  java -jar a.jar \t\r\n\r\n", "  java -jar a.jar"),
        ("a\u00a0", "a"),
        ("> \\ ", "> \\ "),
        ("> \\\\ ", "> \\\\"),
        ("a\\ \r\n", "a\\ "),
        (" \r\n", ""),
        ("\x03", "\x03"),
    ],
)
def test_command_ends_with_what_can_be_seen(written, meant):
    assert to_command(written) == meant


@given(st.text(alphabet="a \\\r\n\t\ufeff$"))
def test_reading_what_was_read_changes_nothing(text):
    assert to_text(to_text(text)) == to_text(text)
    assert to_command(to_command(text)) == to_command(text)
    assert "\r" not in to_text(text)


def test_fields_of_a_request_are_read_as_text_and_the_environment_as_it_is():
    body = read(ContainerBody, BODY)
    assert body.startup_command == "cd world &&\n./server nogui"
    assert body.start_pattern == "^Done"
    assert body.install_script == "#!/bin/sh\nmkdir mods\ncat <<EOF >a\nx \nEOF\n"
    assert body.stop.value == "stop"
    assert body.environment == (("MOTD", "a\r\nb \r\n"),)
    edit = read(EditBody, {name: BODY[name] for name in ("startup_command", "start_pattern", "stop")})
    assert (edit.startup_command, edit.start_pattern, edit.stop.value) == (
        body.startup_command,
        body.start_pattern,
        "stop",
    )
    assert read(ReinstallBody, {"install_script": "a\r\n"}).install_script == "a\n"
    assert read(ContainerBody, {**BODY, "stop": {"value": "SIGINT\r\n"}}).stop.value == "SIGINT"


@pytest.mark.parametrize("empty", ["\r\n", MARK, f"{MARK} \r"])
def test_command_of_nothing_but_marks_and_white_space_is_refused(empty):
    with pytest.raises(ApiError, match="startup_command: must not be empty"):
        read(ContainerBody, {**BODY, "startup_command": empty})


def test_byte_order_mark_before_a_body_is_ignored():
    assert loads(f'{MARK}{{"a":1}}'.encode()) == {"a": 1}


def test_container_that_an_older_version_recorded_is_read_as_text():
    codec = Codec()
    old = events.Created(1, a_spec())
    kind, schema, data = codec.encode(old)
    assert codec.decode(kind, schema, data) == old
    command = old.spec.startup_command
    raw = data.replace(command.encode(), f"\\ufeff{command} &&\\r\\n{command}\\r\\n".encode())
    assert raw != data
    assert codec.decode(kind, schema, raw).spec.startup_command == f"{command} &&\n{command}\n"


def test_edit_that_an_older_version_recorded_is_applied_as_text():
    spec = a_spec()
    edited = events.Edited(
        "run\r\n", "Done\r\n", spec.environment, spec.stop, spec.restart_policy, spec.limits
    )
    after = editing.apply(State(spec=spec), edited).known_spec
    assert (after.startup_command, after.start_pattern) == ("run\n", "Done")


def test_specification_has_no_other_field_that_people_write_as_text():
    texts = {
        field.name
        for cls in (ContainerSpec, StopPolicy)
        for field in attrs.fields(cls)
        if field.converter is not None
    }
    assert texts == {"startup_command", "start_pattern", "install_script", "value"}
