"""What is inside of an exception group."""


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors that ``error`` is made of, itself where it is no group."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]
