"""How a plain-Python reference says what a kernel's error word says."""


class RowError(Exception):
    """The first row a kernel refuses, and the name of the error in its contract."""

    def __init__(self, row: int, name: str) -> None:
        super().__init__(f"{name} at row {row}")
        self.row = row
        self.name = name
