"""SFTP credentials: their decider, their passwords and their keys."""

import base64

import attrs
import pytest

from actors.kernel.decider import Rejection
from actors.sftp.condensed import condense
from actors.sftp.decider import DECIDER, MOST, MOST_IN_ONE, SWEEPING, State, decide, effects
from actors.sftp.messages import Add, CredentialAdded, CredentialRemoved, CredentialsSwept, Remove, Sweep
from lightd.access import passwords, public_keys

ADD = Add("sftp-1", "s1", "", "scrypt$1", ("ssh-ed25519 AAAA",), read_only=False, at=100.0, expires_at=200.0)


def after(*commands, state=None, position=1):
    state = state or DECIDER.initial
    for command in commands:
        for event in decide(state, command):
            state = DECIDER.locate(DECIDER.evolve(state, event), event, position)
    return state


def test_credential_is_added_with_its_position_and_its_login():
    state = after(ADD, attrs.evolve(ADD, credential_id="sftp-2", username="me"), position=7)
    first, second = state.credentials.values()
    assert (first.position, first.login, second.login) == (7, "s1", "me.s1")
    assert effects(state) == {SWEEPING}
    assert not effects(State())


def test_credential_opens_until_it_expires_or_its_container_is_deleted():
    (credential,) = after(ADD, position=7).credentials.values()
    assert credential.opens(199.9, {})
    assert not credential.opens(200.0, {})
    assert credential.opens(150.0, {"s1": 6, "other": 9})
    assert not credential.opens(150.0, {"s1": 8})
    assert attrs.evolve(credential, expires_at=None).opens(1e12, {})


def test_credential_is_removed_by_its_own_container_only_and_once():
    state = after(ADD)
    for command in (
        Remove("other", "sftp-1", 150.0),
        Remove("s1", "sftp-9", 150.0),
        Remove("s1", "sftp-1", 200.0),
    ):
        with pytest.raises(Rejection, match="no such credential"):
            decide(state, command)
    assert decide(state, Remove("s1", "sftp-1", 150.0)) == (CredentialRemoved("sftp-1"),)
    assert not after(Remove("s1", "sftp-1", 150.0), state=state).credentials


def test_sweep_removes_what_has_expired_and_what_is_outlived():
    lasting = attrs.evolve(ADD, credential_id="sftp-2", expires_at=None)
    state = after(ADD, lasting)
    assert decide(state, Sweep(150.0)) == ()
    assert decide(state, Sweep(200.0)) == (CredentialsSwept(("sftp-1",)),)
    assert decide(state, Sweep(150.0, frozenset({"sftp-2"}))) == (CredentialsSwept(("sftp-2",)),)


def test_limits_count_what_has_not_expired():
    full = State(
        {
            f"sftp-{number}": attrs.evolve(after(ADD).credentials["sftp-1"], credential_id=f"sftp-{number}")
            for number in range(MOST_IN_ONE)
        }
    )
    with pytest.raises(Rejection, match="has 20 SFTP credentials"):
        decide(full, attrs.evolve(ADD, credential_id="more", at=150.0))
    swept, added = decide(full, attrs.evolve(ADD, credential_id="more", at=200.0, expires_at=None))
    assert isinstance(swept, CredentialsSwept)
    assert isinstance(added, CredentialAdded)
    many = State(
        {
            f"sftp-{number}": attrs.evolve(
                full.credentials["sftp-0"], credential_id=f"sftp-{number}", internal_id=f"s{number}"
            )
            for number in range(MOST)
        }
    )
    with pytest.raises(Rejection, match="5,000"):
        decide(many, attrs.evolve(ADD, credential_id="more", internal_id="new", at=150.0))


def test_snapshot_has_all_credentials():
    state = after(ADD, attrs.evolve(ADD, credential_id="sftp-2"), position=3)
    assert condense(state, 5.0).to_state() == state


def test_password_is_compared_with_its_hash():
    stored = passwords.hash_password("correct horse")
    assert passwords.matches("correct horse", stored)
    assert not passwords.matches("correct  horse", stored)
    assert stored != passwords.hash_password("correct horse")
    assert "correct" not in stored
    assert passwords.matches("\udcff", passwords.hash_password("\udcff"))


@pytest.mark.parametrize("stored", ["", "scrypt$14$a", "md5$14$a$b", "scrypt$x$a$b", "scrypt$40$a$b"])
def test_hash_of_another_form_matches_nothing(stored):
    assert not passwords.matches("", stored)


def blob(*fields):
    return base64.b64encode(b"".join(len(each).to_bytes(4, "big") + each for each in fields)).decode()


ED25519 = blob(b"ssh-ed25519", b"k" * 32)
P256 = blob(b"ecdsa-sha2-nistp256", b"nistp256", b"\4" + b"k" * 64)
RSA = blob(b"ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * 256)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"ssh-ed25519 {ED25519} me@home\n", f"ssh-ed25519 {ED25519}"),
        (f"  ecdsa-sha2-nistp256   {P256}", f"ecdsa-sha2-nistp256 {P256}"),
        (f"ssh-rsa {RSA} a b c", f"ssh-rsa {RSA}"),
    ],
)
def test_key_is_kept_without_its_comment(text, key):
    assert public_keys.to_key(text) == key
    assert public_keys.to_fingerprint(key).startswith("SHA256:")
    assert len(public_keys.to_fingerprint(key)) == len("SHA256:") + 43


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must be an OpenSSH public key"),
        ("ssh-ed25519", "must be an OpenSSH public key"),
        ("x" * 5000, "must be an OpenSSH public key"),
        ("ssh-ed25519 !!", "its base64 is damaged"),
        ("ssh-ed25519 AAAA", "its base64 is damaged"),
        ("ssh-ed25519 " + blob(b"\xff"), "its base64 is damaged"),
        ("ssh-ed25519 " + base64.b64encode(b"\0\0\0\xff").decode(), "its base64 is damaged"),
        (f"ssh-rsa {ED25519}", "names two kinds"),
        ("ssh-ed25519 " + blob(b"ssh-ed25519", b"k"), "its base64 is damaged"),
        (
            "ecdsa-sha2-nistp256 " + blob(b"ecdsa-sha2-nistp256", b"nistp384", b"k" * 65),
            "its base64 is damaged",
        ),
        ("ssh-rsa " + blob(b"ssh-rsa", b"\1"), "its base64 is damaged"),
        ("ssh-rsa " + blob(b"ssh-rsa", b"\3", b"\x7f" * 128), "of 1023 bits: at least 2048"),
        ("ssh-dss " + blob(b"ssh-dss", b"k"), "must be an ed25519, ecdsa or rsa key"),
        ("ecdsa-sha2-nistp1 " + blob(b"ecdsa-sha2-nistp1", b"k"), "must be an ed25519, ecdsa or rsa key"),
        ('command="x" ssh-ed25519 ' + ED25519, "its base64 is damaged"),
    ],
)
def test_key_that_is_not_accepted_says_why(text, why):
    with pytest.raises(ValueError, match=why):
        public_keys.to_key(text)
