"""The command ``gpuemb train``."""
