"""Unpacks exception groups."""


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors in a group, or ``error`` itself if it is not a group."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]
