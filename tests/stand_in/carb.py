"""Stands in for Carbonite: its settings."""


class _Settings(dict):
    def set(self, path, value):
        self[path] = value

    set_bool = set_int = set_float = set_string = set


class settings:
    """The one table of settings."""

    _table = _Settings()

    @classmethod
    def get_settings(cls):
        """Return the table."""
        return cls._table
