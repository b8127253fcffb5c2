"""The routes of the port pool."""

ROW = {"ip": "127.0.0.1", "port": 25565, "protocol": "tcp", "in_use": False, "used_by": None}
NOT_FOUND = (404, "port_not_found", "Port not found in pool")


async def keys(api):
    rows = (await api.get("/network/ports"))["ports"]
    return [(row["ip"], row["port"], row["protocol"]) for row in rows]


async def test_port_is_added_and_shown(api):
    assert await api.get("/network/ports") == {"ports": []}
    assert await api.post("/network/ports", {"ip": "127.0.0.1", "port": 25565}) == {
        "message": "Port added to pool",
        "ip": "127.0.0.1",
        "port": 25565,
        "protocol": "tcp",
    }
    assert await api.get("/network/ports") == {"ports": [ROW]}
    assert await api.get("/network/ports/127.0.0.1/25565") == ROW
    assert await api.refused("POST", "/network/ports", {"ip": "127.0.0.1", "port": 25565}) == (
        409,
        "port_exists",
        "Port already exists in pool",
    )


async def test_address_has_one_form(api):
    await api.port(1, ip="2001:DB8:0:0::1")
    assert await keys(api) == [("2001:db8::1", 1, "tcp")]
    assert (await api.get("/network/ports/2001:db8:0::1/1"))["port"] == 1
    again = await api.refused("POST", "/network/ports", {"ip": "2001:db8::0:1", "port": 1})
    assert again[0] == 409


async def test_ipv4_address_written_as_ipv6_is_that_ipv4_address(api):
    await api.port(1, ip="::ffff:127.0.0.1")
    assert await keys(api) == [("127.0.0.1", 1, "tcp")]
    assert (await api.get("/network/ports/::ffff:7f00:1/1"))["ip"] == "127.0.0.1"
    again = await api.refused("POST", "/network/ports", {"ip": "127.0.0.1", "port": 1})
    assert again[0] == 409


async def test_port_path_without_a_protocol_means_the_only_entry_or_tcp(api):
    for port, there in [(1, ["tcp"]), (2, ["udp"]), (3, ["tcp", "udp"])]:
        for protocol in there:
            await api.port(port, protocol=protocol)
        path = f"/network/ports/127.0.0.1/{port}"
        assert (await api.get(path))["protocol"] == there[0]
        for protocol in ("tcp", "udp"):
            status = 200 if protocol in there else 404
            assert (await api.ask("GET", path, params={"protocol": protocol})).status_code == status
        assert (await api.call("PUT", f"{path}/use", {"in_use": True}))["protocol"] == there[0]
        await api.call("DELETE", path)
        assert [key[2] for key in await keys(api) if key[1] == port] == there[1:]


async def test_port_that_is_not_there_is_a_404(api):
    await api.port(1, protocol="udp")
    path = "/network/ports/127.0.0.1"
    assert await api.refused("GET", f"{path}/2") == NOT_FOUND
    assert await api.refused("GET", f"{path}/1", protocol="tcp") == NOT_FOUND
    assert await api.refused("DELETE", f"{path}/2") == NOT_FOUND
    assert await api.refused("PUT", f"{path}/2/use", {"in_use": True}) == NOT_FOUND


async def test_address_that_cannot_be_is_refused(api):
    for path, said in [
        ("localhost/1", 'ip: must be an IP address (got "localhost")'),
        ("127.0.0.1/0", "port: must be between 1 and 65535 (got 0)"),
        ("127.0.0.1/65536", "port: must be between 1 and 65535 (got 65536)"),
        ("127.0.0.1/x", 'port: must be a whole number between 1 and 65535 (got "x")'),
        ("127.0.0.1/1?protocol=x", 'protocol: must be "tcp" or "udp" (got "x")'),
        ("127.0.0.1/1?protocol=tcp&protocol=udp", "protocol: is given twice"),
    ]:
        assert await api.refused("GET", f"/network/ports/{path}") == (400, "invalid_request", said)


async def test_port_is_marked_by_hand_and_unmarked(api):
    await api.port(25565)
    path = "/network/ports/127.0.0.1/25565"
    told = {"message": "Port usage updated", "ip": "127.0.0.1", "port": 25565, "protocol": "tcp"}
    for in_use in (True, True, False, False):
        assert await api.call("PUT", f"{path}/use", {"in_use": in_use}) == {**told, "in_use": in_use}
        assert await api.get(path) == {**ROW, "in_use": in_use}
    for body, said in [({}, "is missing"), ({"in_use": 1}, "must be true or false (got 1)")]:
        assert (await api.refused("PUT", f"{path}/use", body))[2] == f"in_use: {said}"


async def test_port_is_deleted(api):
    await api.port(25565)
    answer = await api.call("DELETE", "/network/ports/127.0.0.1/25565")
    assert answer == {"message": "Port deleted from pool"}
    assert await keys(api) == []


async def test_random_port_is_free_and_stays_so(api):
    assert await api.refused("GET", "/network/ports/random") == (
        404,
        "no_available_ports",
        "No available ports in pool",
    )
    for port in (1, 2, 3):
        await api.port(port)
    await api.port(4, protocol="udp")
    await api.call("PUT", "/network/ports/127.0.0.1/1/use", {"in_use": True})
    seen = {(await api.get("/network/ports/random"))["port"] for _ in range(40)}
    assert seen == {2, 3}
    picked = await api.get("/network/ports/random", protocol="udp")
    assert picked == {**ROW, "port": 4, "protocol": "udp"}
    assert (await api.refused("GET", "/network/ports/random", protocol="x"))[0] == 400


async def test_random_port_does_not_collide_with_what_is_in_use(api):
    await api.port(1, ip="0.0.0.0")
    await api.port(1)
    await api.call("PUT", "/network/ports/127.0.0.1/1/use", {"in_use": True})
    assert (await api.refused("GET", "/network/ports/random"))[1] == "no_available_ports"


async def test_range_of_ports_is_added_whole_or_not_at_all(api):
    body = {"ip": "127.0.0.1", "from": 5, "to": 7, "protocol": "udp"}
    answer = await api.post("/network/ports/bulk", body)
    added = [{"ip": "127.0.0.1", "port": port, "protocol": "udp"} for port in (5, 6, 7)]
    assert answer == {"added": added, "count": 3}
    again = {"ip": "127.0.0.1", "from": 4, "to": 5, "protocol": "udp"}
    assert (await api.refused("POST", "/network/ports/bulk", again))[:2] == (409, "port_exists")
    assert await keys(api) == [("127.0.0.1", port, "udp") for port in (5, 6, 7)]
    await api.post("/network/ports/bulk", {"ip": "127.0.0.1", "from": 5, "to": 5})
    assert (await keys(api))[-1] == ("127.0.0.1", 5, "tcp")


async def test_list_of_ports_is_added(api):
    ports = [{"ip": "127.0.0.1", "port": 1}, {"ip": "::1", "port": 2, "protocol": "udp"}]
    answer = await api.post("/network/ports/bulk", {"ports": ports})
    assert answer == {"added": [{**ports[0], "protocol": "tcp"}, ports[1]], "count": 2}
    assert await api.post("/network/ports/bulk", {"ports": []}) == {"added": [], "count": 0}


BULK = {"ip": "127.0.0.1", "from": 1, "to": 2}


async def test_bulk_that_cannot_be_is_refused(api):
    for body, said in [
        ({}, "ip: is missing"),
        ({"ip": "127.0.0.1"}, "from: is missing"),
        ({"ip": "127.0.0.1", "from": 1}, "to: is missing"),
        ({**BULK, "from": 3}, "to: must not be less than from"),
        ({**BULK, "from": 0}, "from: must be between 1 and 65535 (got 0)"),
        ({**BULK, "first": 1}, "first: unknown field (known here: ip, from, to, protocol, ports)"),
        ({**BULK, "ports": []}, "ports: cannot be combined with ip, from, to and protocol"),
        ({"ports": [], "protocol": "udp"}, "ports: cannot be combined with ip, from, to and protocol"),
        ({**BULK, "ports": None}, "ports: cannot be combined with ip, from, to and protocol"),
        ({"ports": [], "ip": None}, "ports: cannot be combined with ip, from, to and protocol"),
        ({"ports": None}, "ports: must be a list (got null)"),
        ({"ports": [{"ip": "x", "port": 1}]}, 'ports[0].ip: must be an IP address (got "x")'),
        ({"ports": [{"ip": "::1", "port": 1}, {"ip": "0::1", "port": 1}]}, "ports: one is given twice"),
    ]:
        assert await api.refused("POST", "/network/ports/bulk", body) == (400, "invalid_request", said)


async def test_many_ports_are_deleted_and_the_held_ones_are_skipped_and_named(api):
    for port in (1, 2, 3, 4):
        await api.port(port)
    await api.port(5, protocol="udp")
    await api.create(ports=[{"ip": "127.0.0.1", "port": 2}])
    await api.call("PUT", "/network/ports/127.0.0.1/3/use", {"in_use": True})
    ports = [{"ip": "127.0.0.1", "port": port} for port in (1, 1, 2, 3, 5, 9)]
    assert await api.post("/network/ports/bulk-delete", {"ports": ports}) == {
        "message": "Deleted 3 ports from pool",
        "deleted_count": 3,
        "skipped": [{"ip": "127.0.0.1", "port": 2, "protocol": "tcp"}],
    }
    assert [key[1] for key in await keys(api)] == [2, 4]
    one = {"ip": "127.0.0.1", "port": 4, "protocol": "tcp"}
    answer = await api.post("/network/ports/bulk-delete", {"ports": [one]})
    assert answer == {"message": "Deleted 1 port from pool", "deleted_count": 1, "skipped": []}
    answer = await api.post("/network/ports/bulk-delete", {"ports": [one]})
    assert answer["message"] == "Deleted 0 ports from pool"
