"""``python -m lightd.sftp.server FOLDER SETTINGS``: started by the daemon."""

import sys

from lightd.sftp.server.listener import main

sys.exit(main(sys.argv[1:]))
