"""Receivers of wire to book, one a module: ``run(url, stamp, certificate, busy)``.

Subscribes to TOPIC and calls ``stamp()`` for its snapshot and each delta. ``certificate`` is to be trusted, ""
where the connection is plain. ``busy``: the event loop never sleeps.
"""

TOPIC, SYMBOL = "orderBookL2_25.BTCUSDT", "BTCUSDT"
SUBSCRIPTION = f'{{"op":"subscribe","args":["{TOPIC}"]}}'
