"""Training on a data set of one's own: ``python -m models.train --data …``."""
