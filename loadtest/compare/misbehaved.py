"""The one failure that belongs to a row and not to the bench."""


class Misbehaved(Exception):
    """A server did what it must not: a wrong byte, a wrong status, a broken connection. Its row fails."""
