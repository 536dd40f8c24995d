"""Speed: one folder an operation, one file a device.

``<name>/__init__.py`` holds the contract and its slow NumPy reference, ``<name>/cpu.py`` and
``<name>/cuda.py`` the fast twins of the same name and signature. Entered by one spelling::

    found = cosine_topk.on(device_of(x))(x, k)
"""
