"""Benchmarks: fixed workloads, the machine's ceilings, records of both."""
