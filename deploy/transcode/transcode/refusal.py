"""The two ways in which an upload becomes no title."""


class Refused(Exception):
    """Trying again cannot help: the upload itself is wrong. `reason` is one stable word for logs and alarms."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Superseded(Exception):
    """The upload was replaced or removed meanwhile. Whoever is told of its replacement makes the title."""
