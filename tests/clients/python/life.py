"""The life of a container with the generated client: ``python life.py URL TOKEN IMAGE PORT``.

Prints one line of JSON.
"""

import json
import sys

from lightd_client import AuthenticatedClient
from lightd_client.api.containers import (
    create_container,
    delete_container,
    send_command,
    show_container,
    show_logs,
    start_container,
    stop_container,
)
from lightd_client.api.ports import add_ports
from lightd_client.api.volumes import create_volume
from lightd_client.models import (
    BindingBody,
    Commands,
    ContainerBody,
    OneCommand,
    PortBody,
    PortBodyProtocol,
    PortList,
    PortRange,
    StopBody,
    StopBodyType,
    VolumeBody,
)

URL, TOKEN, IMAGE, PORT = sys.argv[1:]
ID = "python-001"
FIRST = int(PORT)
COMMAND = 'echo Ready; while read -r line; do [ "$line" = stop ] && exit; echo "got: $line"; done'

client = AuthenticatedClient(
    base_url=URL,
    token=TOKEN,
    headers={"Accept": "Application/vnd.pkglatv1+json"},
    timeout=150,
)


def ok(found):
    """The parsed response of a call that succeeded."""
    if not hasattr(found, "additional_properties") and hasattr(found, "code"):
        raise SystemExit(f"{found.code}: {found.error}")
    return found


with client as client:
    both = (
        PortRange("127.0.0.1", FIRST, FIRST + 1),
        PortList([PortBody("127.0.0.1", FIRST, PortBodyProtocol.UDP)]),
    )
    counts = [ok(add_ports.sync(client=client, body=each)).count for each in both]
    volume = ok(create_volume.sync(client=client, body=VolumeBody(size=None)))
    body = ContainerBody(
        internal_id=ID,
        image=IMAGE,
        volume_id=volume.volume_id,
        startup_command=COMMAND,
        stop=StopBody(type_=StopBodyType.COMMAND, value="stop"),
        start_pattern="Ready",
        ports=[BindingBody("127.0.0.1", FIRST)],
    )
    created = ok(create_container.sync(client=client, body=body, wait=120))
    started = ok(start_container.sync(ID, client=client, wait=120))
    forms = OneCommand("say one"), Commands(["say two", "say three"])
    sent = [ok(send_command.sync(ID, client=client, body=each)).count for each in forms]
    shown = ok(show_container.sync(ID, client=client))
    logs = ok(show_logs.sync(ID, client=client, lines=10))
    missing = show_container.sync("nobody", client=client)
    stopped = ok(stop_container.sync(ID, client=client, wait=120))
    deleted = ok(delete_container.sync(ID, client=client))

print(
    json.dumps(
        {
            "ports": sum(counts),
            "created": created.status,
            "started": started.status,
            "commands": sum(sent),
            "state": shown.state,
            "memory": shown.limits.memory,
            "logs": [line.text for line in logs.lines],
            "missing": missing.code,
            "stopped": stopped.status,
            "deleted": deleted.message,
        }
    )
)
