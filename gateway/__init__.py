"""The HTTP edge: checks and stores uploads, answers requests, serves the dashboard. Holds no state of its own."""
