"""The real command under TLS, and what it says of a certificate that can't be used."""

import json
import subprocess
import sys

import httpx
import pytest

from tests.support.certificates import Authority
from tests.support.daemon import HEADERS, Daemon


@pytest.fixture
def authority(tmp_path):
    authority = Authority(tmp_path)
    authority.write()
    return authority


@pytest.fixture
def installed(tmp_path, authority):
    daemon = Daemon(tmp_path, settings={"server": {"host": "127.0.0.1", "port": 0, "tls": authority.tls}})
    yield daemon
    daemon.end()


async def test_the_command_serves_https_and_says_so(installed, authority):
    await installed.start()
    assert installed.url.startswith("https://127.0.0.1:")
    async with httpx.AsyncClient(verify=authority.to_context(), trust_env=False, timeout=60) as client:
        assert (await client.get(f"{installed.url}/containers", headers=HEADERS)).status_code == 200
    async with httpx.AsyncClient(trust_env=False) as stranger:
        with pytest.raises(httpx.ConnectError):
            await stranger.get(f"{installed.url}/containers", headers=HEADERS)


def serve(daemon):
    command = [sys.executable, "-m", "lightd", "serve", "--config", daemon.config]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr.splitlines()


def test_a_certificate_that_can_not_be_used_is_a_line_a_mistake_and_exit_code_2(installed, tmp_path):
    key = tmp_path / "key.pem"
    key.chmod(0o644)
    (tmp_path / "cert.pem").unlink()
    assert serve(installed) == (
        2,
        [
            f"{installed.config}: server.tls.cert: cannot be read: No such file or directory",
            f"{installed.config}: server.tls.key: can be read by every user (mode 0644): chmod 600 {key}",
        ],
    )


def test_a_foreign_key_is_exit_code_2(installed, authority, tmp_path):
    authority.write(cert=False)
    cert = tmp_path / "cert.pem"
    said = f"{installed.config}: server.tls.key: does not belong to the certificate in {cert}"
    assert serve(installed) == (2, [said])


def test_the_token_is_printed_whatever_the_certificate(installed, tmp_path):
    (tmp_path / "cert.pem").unlink()
    command = [sys.executable, "-m", "lightd", "--token", "what", "--config", installed.config]
    token = json.loads(installed.config.read_text())["authorization"]["token"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"Current Token: {token}\n"
