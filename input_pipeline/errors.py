"""What can be wrong with data."""


class DataError(ValueError):
    """Data is missing or damaged; the message is one line with the remedy."""


class DataFieldError(DataError):
    """A field that says which data is wanted has a value that cannot work."""
