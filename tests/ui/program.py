"""The program that the servers of these tests run: it prints what it is told to on its input."""

import sys
import time

HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script><style>*{display:none}</style>",
    "javascript:alert(3) http://javascript:alert(4)/ data:text/html,<script>alert(5)</script>",
    "\x1b]0;taken\x07\x1b]8;;javascript:alert(6)\x1b\\click\x1b]8;;\x1b\\ \x1b[2J\x1b[H\x1b[999A\x1b[?1049h",
    "\x1b[31;1;7;9m never reset",
    "\x1b]52;c;bmV2ZXI=\x07\x1bP never ended",
    "\u202e\u2066 olleh \u2067\u202d",
    "Z" + "\u0300\u0301\u0316" * 60,
    "x" * 16_384,
    "\x1b[38;2;1;2;3m" + "\x1b[48;5;200mA\x1b[49mB" * 900,
    "\u2028\u2029\x85\x0b\x0c line separators",
)
TIMES = 50


def main() -> None:
    """Answer to each line of input, until it is ``stop``."""
    print("Ready for players", flush=True)
    print("> ", end="", flush=True)
    for line in sys.stdin:
        word, *numbers = line.split() or [""]
        if word == "stop":
            print("Saving the world", flush=True)
            break
        if word == "crash":
            sys.exit(3)
        if word == "count":
            count, per_second = int(numbers[0]), int(numbers[1])
            began = time.monotonic()
            for number in range(count):
                print(f"\x1b[3{1 + number % 7}mnumber\x1b[0m {number}", flush=number % 20 == 0)
                wait = began + number / per_second - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
        elif word == "hostile":
            for number in range(TIMES):
                for text in HOSTILE:
                    print(text)
                    print(f"plain {number}")
        elif word == "game":
            play()
        else:
            print(f"heard: {line.strip()}")
        print("> ", end="", flush=True)


def play() -> None:
    """Print what a game's console looks like."""
    for text in (
        "\x1b[36m[INFO]\x1b[0m Loading level \x1b[1mworld\x1b[0m",
        "\x1b[36m[INFO]\x1b[0m Preparing spawn area: \x1b[32m100 %\x1b[0m",
        "\x1b[36m[INFO]\x1b[0m Done in \x1b[33m4.213 s\x1b[0m! For help, type \x1b[1mhelp\x1b[0m",
        "\x1b[36m[INFO]\x1b[0m \x1b[92mAda\x1b[0m joined the game",
        "\x1b[36m[INFO]\x1b[0m \x1b[92mGrace\x1b[0m joined the game",
        "\x1b[33m[WARN]\x1b[0m Running 2 ticks behind. Is the server overloaded?",
        "\x1b[36m[INFO]\x1b[0m <\x1b[92mAda\x1b[0m> the map is at https://maps.example/world?x=10",
        "\x1b[31m[ERROR]\x1b[0m Could not pass \x1b[1mPlayerMove\x1b[0m to \x1b[38;5;208mPortals\x1b[0m 2.1",
        "\x1b[36m[INFO]\x1b[0m \x1b[92mGrace\x1b[0m has made \x1b[38;2;85;255;85m[Stone Age]\x1b[0m",
    ):
        print(text)


if __name__ == "__main__":
    main()
