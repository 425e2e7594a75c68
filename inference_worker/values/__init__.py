"""The values worker: the service's second kind of work, on the same queues, without torch."""
