"""What tests that change a container on a real engine ask about it."""

import trio


async def lease(daemon, *ports):
    for port in ports:
        await daemon.post("/network/ports", {"ip": "127.0.0.1", "port": port})


async def holders(daemon):
    """Who holds which port of the pool."""
    ports = (await daemon.get("/network/ports"))["ports"]
    return {entry["port"]: entry["used_by"] for entry in ports if entry["in_use"]}


async def ended(daemon, operation_id):
    """Wait until the operation has ended, and return it."""
    with trio.fail_after(60):
        while (found := await daemon.get(f"/operations/{operation_id}"))["status"] == "pending":
            await trio.sleep(0.02)
    return found


async def alone(daemon, internal_id="changing"):
    """Wait until the engine has one container of the node, and return its state."""
    with trio.fail_after(30):
        while len(there := daemon.in_docker()) != 1:
            await trio.sleep(0.02)
    [state] = there.values()
    assert list(there) == [f"lightd-{internal_id}"]
    return state
