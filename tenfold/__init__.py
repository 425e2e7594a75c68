"""What Tenfold's services share, and what a person types: the contract, the store, the settings and the commands."""

__version__ = "0.1.0"
