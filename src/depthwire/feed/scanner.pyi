class Scanner:
    """To be subclassed in Cython, where ``scan`` can be overridden."""
