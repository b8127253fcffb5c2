"""Every route of the document is closed to those who may not come in, and to methods that it doesn't have."""

import re

from lightd.http.openapi.document import to_document
from lightd.http.routes.table import SECTIONS

MEDIA_TYPE = "Application/vnd.pkglatv1+json"
GUESSED = (429, "too_many_attempts")  # where guesses at tokens are counted
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
SAMPLES = {
    "internal_id": "s1",
    "volume_id": "00000000-0000-0000-0000-000000000000",
    "operation_id": f"start-{'0' * 32}",
    "ip": "127.0.0.1",
    "port": "1",
}


def routes():
    """Every path with samples in it, and its methods."""
    for path, operations in to_document(SECTIONS)["paths"].items():
        sample = re.sub(r"\{(\w+)\}", lambda found: SAMPLES.get(found[1], "x"), path)
        yield sample, {method.upper(): operation for method, operation in operations.items()}


async def check_every_route_is_closed(ask, token):
    """``ask(method, path, headers)`` returns an answer. Returns how many routes were tried."""
    bearer = f"Bearer {token}"
    refused = (
        ({}, 401, "unauthorized"),
        ({"Accept": MEDIA_TYPE}, 401, "unauthorized"),
        ({"Authorization": "Bearer lightd_not_this_one_either", "Accept": MEDIA_TYPE}, 401, "unauthorized"),
        ({"Authorization": token, "Accept": MEDIA_TYPE}, 401, "unauthorized"),
        ({"Authorization": f"{bearer}x", "Accept": MEDIA_TYPE}, 401, "unauthorized"),
        ({"Authorization": bearer}, 403, "vendor_header_required"),
        ({"Authorization": bearer, "Accept": "application/json"}, 403, "vendor_header_required"),
    )
    tried = 0
    for path, operations in routes():
        for method, operation in operations.items():
            if operation.get("security") == []:
                continue
            tried += 1
            for headers, status, code in refused:
                if code == "vendor_header_required" and "security" in operation:
                    continue  # it takes any media type
                answer = await ask(method, path, headers)
                found = (answer.status_code, answer.json()["code"])
                guesses = {(401, "unauthorized"), GUESSED} if tried > 1 else {(401, "unauthorized")}
                expected = guesses if status == 401 else {(status, code)}
                assert found in expected, (method, path, headers, found)
    return tried


async def check_no_route_takes_another_method(ask, token):
    """As above, with a method that the document doesn't have there: a 405 that says which it has."""
    headers = {"Authorization": f"Bearer {token}", "Accept": MEDIA_TYPE}
    tried = 0
    for path, operations in routes():
        for method in METHODS:
            if method in operations:
                continue
            tried += 1
            answer = await ask(method, path, headers)
            assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), (method, path)
            assert set(re.split(r",\s*", answer.headers["Allow"])) - {"HEAD"} == set(operations), (
                method,
                path,
            )
    return tried
