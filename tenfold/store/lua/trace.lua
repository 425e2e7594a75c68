-- @include _trace
-- Appends to jobs' traces and notes their levels.
-- KEYS  1… job and trace of each job
-- ARGV  1… the traces
-- O(entries)
append_traces(1, 1)
