"""The inference worker: an RQ worker with its model resident, which claims batches and commits each result once."""
