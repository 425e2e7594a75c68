"""The logic behind the routes. It knows the contract and the store, and no web framework."""
