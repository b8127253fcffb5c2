"""The supervisor of one run: a small process of its own, so that a run outlives the daemon that began it.

Started by its path, ``python -I -S shim.py FOLDER LOCK``: what it imports of lightd is standard library only.
Descriptor 0 is the daemon's socket, ``LOCK`` one that holds a ``flock`` for as long as the run is under way.

1. It forks away from the daemon, listens on ``FOLDER/socket`` and says ``ready``. Whoever is to see every
   byte attaches now. Then the daemon says ``go``; if it is gone instead, nothing was begun, nothing is left.
2. The program begins in a session of its own, on a terminal or on pipes; ``FOLDER/life`` says since when.
   What refuses to begin is told, and leaves no life.
3. What it prints goes on the tape and to whoever is attached. An attached reader who doesn't read stops the
   reading, and so the program; it stops nobody else, and no memory grows.
4. When the program ends, all that it left behind is ended. Then what they printed is read to its end, and
   ``FOLDER/exit`` says how it ended, whole or not at all, on the disk. Only then does the lock go.

A line of the socket is a command: ``attach`` (a raw stream from then on), ``watch`` (closed at the end of the
run), ``signal NUMBER``, ``resize COLUMNS ROWS``; each is answered by ``ok``.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), "../../..")))
    from lightd.engines.process.run import main

    main(sys.argv[1], int(sys.argv[2]))
