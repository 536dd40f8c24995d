"""Arrays, devices, memory, threads and errors: the layer below all science."""
