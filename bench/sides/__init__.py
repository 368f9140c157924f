"""Contenders of one operation, one per module: ``Side``, whose greatest key is the best."""
