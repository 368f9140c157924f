"""Receivers of wire to book, one per module: ``run(url, stamp, certificate, busy)``.

It subscribes to TOPIC and calls ``stamp()`` for its snapshot and each delta. ``certificate`` is the one to trust, ""
if the connection is plain. With ``busy`` the event loop never sleeps.
"""

TOPIC, SYMBOL = "orderBookL2_25.BTCUSDT", "BTCUSDT"
SUBSCRIPTION = f'{{"op":"subscribe","args":["{TOPIC}"]}}'
