"""Which pairs of certificate and key are taken, and how the mistake is named."""

import os
import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from lightd.config import certificate
from lightd.config.sections import ConfigurationError, Tls


@pytest.fixture
def tls(tmp_path, authority):
    authority.write()
    return Tls(tmp_path / "cert.pem", tmp_path / "key.pem")


def mistakes(tls):
    with pytest.raises(ConfigurationError) as caught:
        certificate.read(tls)
    return list(caught.value.mistakes)


def test_pair_without_files_is_none():
    assert certificate.read(Tls()) is None


def test_pair_is_served_over_tls_1_2_and_later_alone(tls):
    context = certificate.read(tls).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.verify_mode is ssl.CERT_NONE  # clients show none


def test_both_files_are_missing_and_both_are_told(tmp_path):
    assert mistakes(Tls(tmp_path / "a", tmp_path / "b")) == [
        "server.tls.cert: cannot be read: No such file or directory",
        "server.tls.key: cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o777])
def test_key_that_is_open_to_everybody_is_refused_with_what_mends_it(tls, mode):
    tls.key.chmod(mode)
    assert mistakes(tls) == [
        f"server.tls.key: can be read by every user (mode {mode:04o}): chmod 600 {tls.key}"
    ]


def test_key_may_be_a_groups(tls):
    tls.key.chmod(0o640)
    assert certificate.read(tls) is not None


def test_files_may_be_links(tls, tmp_path):
    for name in ("cert", "key"):
        (tmp_path / f"live-{name}").symlink_to(tmp_path / f"{name}.pem")
    assert certificate.read(Tls(tmp_path / "live-cert", tmp_path / "live-key")) is not None


def test_key_of_another_certificate_is_refused(authority, tls):
    authority.write(cert=False)
    assert mistakes(tls) == [f"server.tls.key: does not belong to the certificate in {tls.cert}"]


def test_file_that_is_no_certificate_or_no_key_is_rejected(authority, tls):
    whole = tls.key.read_bytes()
    for wrong in (b"", b"nothing", tls.cert.read_bytes(), b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n"):
        tls.key.write_bytes(wrong)
        assert mistakes(tls) == ["server.tls.key: contains no PEM private key"]
    tls.key.write_bytes(whole)
    for wrong in (b"", b"nothing", whole):
        tls.cert.write_bytes(wrong)
        assert mistakes(tls) == ["server.tls.cert: contains no PEM certificate"]


def test_encrypted_key_is_rejected_without_asking_for_its_passphrase(tls):
    key = serialization.load_pem_private_key(tls.key.read_bytes(), None)
    tls.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert mistakes(tls) == ["server.tls.key: is encrypted; a key without a passphrase is required"]


def test_fifo_or_folder_is_rejected_without_waiting(tls, tmp_path):
    tls.key.unlink()
    os.mkfifo(tls.key, 0o600)
    assert mistakes(tls) == ["server.tls.key: cannot be read: not a regular file"]
    assert mistakes(Tls(tmp_path, tmp_path)) == [
        "server.tls.cert: cannot be read: not a regular file",
        "server.tls.key: cannot be read: not a regular file",
    ]


def test_key_that_is_too_weak_is_refused_by_its_certificate(tls):
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    issued = authority.issue_cert("localhost", key_type=trustme.KeyType.RSA)
    tls.cert.write_bytes(issued.cert_chain_pems[0].bytes())
    tls.key.write_bytes(issued.private_key_pem.bytes())
    error = ssl.SSLError(1, "[SSL: EE_KEY_TOO_SMALL] ee key too small (_ssl.c:3900)")
    error.reason = "EE_KEY_TOO_SMALL"
    assert certificate.read(tls) is not None
    assert certificate._to_mistake(error, tls.cert) == "server.tls.cert: cannot be used: ee key too small"
