"""Training of the demo model on scenes that are drawn here: ``python -m models.train``."""
