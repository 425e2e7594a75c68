"""The scheduler on a virtual clock, with model workers and no hardware: ``python -m scheduler.simulate``."""
