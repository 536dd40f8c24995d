"""gpuemb against its best peers: verify, then time in turns, then write down. See README.md."""
