"""``lightd sftp fingerprint``: the host keys of the SFTP server on this machine. No daemon is asked."""

import argparse
from collections.abc import Mapping

from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import FAILED, WRONG, Trouble
from lightd.config import file as config_file
from lightd.config import sections
from lightd.sftp.places import Places


def run(args: argparse.Namespace, environ: Mapping[str, str], output: Output) -> int:
    """Print the fingerprints, as a client shows them at its first connection; return the exit code."""
    try:
        path, elsewhere = config_file.find_path(args.config, environ)
    except sections.ConfigurationMissing as missing:
        raise Trouble(WRONG, str(missing)) from None
    if elsewhere:
        output.note(f"using the configuration {path}")
    places = Places(config_file.load(path).storage.base_path / "sftp")
    try:
        found = list(places.fingerprints())
    except OSError as error:
        raise Trouble(FAILED, f"the host keys in {places.root} cannot be read: {error.strerror}") from None
    if not found:
        raise Trouble(
            FAILED, f"there are no host keys in {places.root}: set sftp.enabled to true and restart lightd"
        )
    output.lines("".join(f"{fingerprint} {kind}\n" for kind, fingerprint in found))
    return 0
