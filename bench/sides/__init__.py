"""Contenders of one operation, one a module: ``Side``, where the greatest key is the best."""
