"""What pages complain of."""

import re
from dataclasses import dataclass, field


@dataclass
class Complaints:
    """What the pages of a test wrote to the console as errors, or threw; a test may say which it expects."""

    heard: list[str] = field(default_factory=list)
    expected: str = r"(?!)"

    def unexpected(self) -> list[str]:
        return [one for one in self.heard if not re.search(self.expected, one)]
