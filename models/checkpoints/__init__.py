"""Checkpoints that others wrote, read without running anything of them."""
