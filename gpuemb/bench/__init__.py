"""The ruler: frozen workloads, the machine's ceilings, records of both."""
