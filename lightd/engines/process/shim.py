"""The supervisor of one run: a small process, so that the run survives the daemon that started it.

It is started by its path, ``python -I -S shim.py FOLDER LOCK``: it imports only the standard library and
modules next to it. Descriptor 0 is the daemon's socket; ``LOCK`` holds a lock for as long as the run is
active.

1. It forks away from the daemon, listens on ``FOLDER/socket`` and sends ``ready``. Readers that need every
   byte attach now. Then the daemon sends ``go``. If the daemon has ended instead, the supervisor exits;
   nothing was run.
2. The program starts in its own session, on a terminal or on pipes; ``FOLDER/life`` contains the start time.
   If the start fails, the daemon is sent the reason, and there is no run.
3. The output is written to the log and sent to attached readers. A reader that does not read stops the
   reading, and with it the program. It does not affect other runs, and no memory grows.
4. When the program ends, all its other processes are killed. Then their output is read to its end, and
   ``FOLDER/exit`` is written atomically and synced. Only then is the lock released.

A line sent to the socket is a command: ``attach`` (then a raw stream), ``watch`` (closed at the end of the
run), ``signal NUMBER``, ``resize COLUMNS ROWS``; each is answered by ``ok``.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), "../../..")))
    from lightd.engines.process.run import main

    main(sys.argv[1], int(sys.argv[2]))
