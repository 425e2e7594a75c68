"""What the services agree on: states, records, their codec and the errors. Standard library and msgspec only."""
