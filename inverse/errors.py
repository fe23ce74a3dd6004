"""What can be wrong with a configuration."""


class ConfigError(ValueError):
    """A field has a value that cannot work; the message is one line with the remedy."""
