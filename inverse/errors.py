"""What can be wrong with a configuration."""


class ConfigError(ValueError):
    """A field has a value that cannot work; the message is one line with the remedy."""


class OtherZoneAxis(ConfigError):
    """An image shows columns, but not those of a perovskite seen along [001]."""
