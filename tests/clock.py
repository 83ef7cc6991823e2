"""A clock that a test moves."""


class Clock:
    """Replaces the time module in a module under test.

    Args:
        function: The only function of the time module that it has.
        now: Seconds that it shows at first.
    """

    def __init__(self, function: str, now: float = 1000.0) -> None:
        self.now = now
        setattr(self, function, lambda: self.now)
