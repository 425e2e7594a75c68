"""The Redis keyspace: its keys (``keys.py``), its verbs (``lua/*.lua``) and the stores that call them."""
