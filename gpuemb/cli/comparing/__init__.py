"""The command ``gpuemb compare``: tables side by side, groups of them, and what is required of them."""
