"""OpenTelemetry spans, where an endpoint for them is named; otherwise nothing of it is loaded.

A request's span is the gateway's. A **job**'s span begins with its acceptance and ends with its final state; the
scheduler tells of it afterwards, from what Redis holds. A **batch** serves several jobs, so it has a trace of its own
with links to theirs, and each of these jobs has a span for its images in that batch; the worker tells of both. What
joins them is the context that a submission carries, and a job's span id, which follows from the job's id.
"""
