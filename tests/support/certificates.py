"""Certificates for tests, of an authority that nobody else trusts."""

import ssl

import attrs
import trustme
from cryptography import x509


@attrs.define
class Authority:
    """Signs certificates for 127.0.0.1, and writes them where a daemon looks for them."""

    folder: object
    _authority: trustme.CA = attrs.field(factory=trustme.CA)

    @property
    def tls(self):
        return {"cert": str(self.folder / "cert.pem"), "key": str(self.folder / "key.pem")}

    def write(self, *, cert=True, key=True):
        """Put a new pair in place, or a half of one; return the serial number that peers see."""
        issued = self._authority.issue_cert("127.0.0.1", "localhost")
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        if cert:
            self._replace("cert.pem", chain)
        if key:
            self._replace("key.pem", issued.private_key_pem.bytes())
        return _serial(chain)

    def _replace(self, name, content):
        beside = self.folder / f".{name}"
        beside.write_bytes(content)
        beside.chmod(0o600)
        beside.replace(self.folder / name)

    def to_context(self):
        """What a client goes by that trusts this authority alone."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context


def _serial(chain):
    return format(x509.load_pem_x509_certificates(chain)[0].serial_number, "X")


def serial_of(stream):
    """The serial number of the certificate that the other side of a TLS stream has shown."""
    return stream.getpeercert()["serialNumber"].lstrip("0")
