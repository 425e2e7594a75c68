"""Detectors: networks, their weights, and the protocol by which a worker runs any of them."""
