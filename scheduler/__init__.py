"""The scheduler: a pure core that decides, and the shell that gives it a clock and Redis."""
