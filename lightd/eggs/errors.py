"""Errors about egg files, in a module that imports nothing."""


class EggError(ValueError):
    """An egg file cannot be read; ``field`` is the part that is wrong, empty if it is the whole file."""

    def __init__(self, problem: str, field: str = "") -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
