"""The real command under TLS, and what it says of a certificate that can't be used."""

import json
import subprocess
import sys

import httpx
import pytest

from tests.support.daemon import HEADERS, Daemon


@pytest.fixture
def tls_daemon(tmp_path, authority):
    authority.write()
    daemon = Daemon(tmp_path, settings={"server": {"host": "127.0.0.1", "port": 0, "tls": authority.tls}})
    yield daemon
    daemon.end()


async def test_command_serves_https_and_says_so(tls_daemon, authority):
    await tls_daemon.start()
    assert tls_daemon.url.startswith("https://127.0.0.1:")
    async with httpx.AsyncClient(verify=authority.to_context(), trust_env=False, timeout=60) as client:
        assert (await client.get(f"{tls_daemon.url}/containers", headers=HEADERS)).status_code == 200
    async with httpx.AsyncClient(trust_env=False) as stranger:
        with pytest.raises(httpx.ConnectError):
            await stranger.get(f"{tls_daemon.url}/containers", headers=HEADERS)


def serve(daemon):
    command = [sys.executable, "-m", "lightd", "serve", "--config", daemon.config]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr.splitlines()


def test_certificate_that_can_not_be_used_is_a_line_a_mistake_and_exit_code_2(tls_daemon, tmp_path):
    key = tmp_path / "key.pem"
    key.chmod(0o644)
    (tmp_path / "cert.pem").unlink()
    assert serve(tls_daemon) == (
        2,
        [
            f"{tls_daemon.config}: server.tls.cert: cannot be read: No such file or directory",
            f"{tls_daemon.config}: server.tls.key: can be read by every user (mode 0644): chmod 600 {key}",
        ],
    )


def test_foreign_key_is_exit_code_2(tls_daemon, authority, tmp_path):
    authority.write(cert=False)
    cert = tmp_path / "cert.pem"
    said = f"{tls_daemon.config}: server.tls.key: does not belong to the certificate in {cert}"
    assert serve(tls_daemon) == (2, [said])


def test_token_is_printed_whatever_the_certificate(tls_daemon, tmp_path):
    (tmp_path / "cert.pem").unlink()
    command = [sys.executable, "-m", "lightd", "--token", "what", "--config", tls_daemon.config]
    token = json.loads(tls_daemon.config.read_text())["authorization"]["token"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"Current Token: {token}\n"
