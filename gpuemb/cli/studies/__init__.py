"""``gpuemb study`` and ``demo``: run, or answered from a folder that holds the answer."""
