"""Speed: one folder an operation, one file or folder a device.

``<name>/__init__.py`` holds the contract and its slow NumPy reference; ``<name>/cpu.py`` and
``<name>/cuda.py``, or ``<name>/cpu/`` and ``<name>/cuda/``, the fast twins of the same name and signature.
Entered by one spelling::

    found = cosine_topk.on(device_of(x))(x, k)
"""
