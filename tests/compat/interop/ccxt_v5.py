"""ccxt.pro's bybit on the venue: prints what its watch methods return, one JSON object per line.

Run by test_interop_v5.py, in a separate environment. It gets its markets here, because it would load them by REST.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro

config = json.loads(sys.argv[1])


def market(category: str, market_id: str) -> dict[str, Any]:
    base, quote = market_id[:3], market_id[3:]
    settle = {"spot": None, "linear": quote, "inverse": base}[category]
    is_spot = category == "spot"
    return {
        "id": market_id,
        "symbol": f"{base}/{quote}" + ("" if is_spot else f":{settle}"),
        "base": base,
        "quote": quote,
        "settle": settle,
        "baseId": base,
        "quoteId": quote,
        "settleId": settle,
        "type": "spot" if is_spot else "swap",
        "spot": is_spot,
        "swap": not is_spot,
        "future": False,
        "option": False,
        "contract": not is_spot,
        "linear": None if is_spot else category == "linear",
        "inverse": None if is_spot else category == "inverse",
        "contractSize": None if is_spot else 1.0,
        "active": True,
        "precision": {"price": 0.01, "amount": 0.000001},
        "limits": {},
    }


def option(market_id: str) -> dict[str, Any]:
    base, _, strike, kind = market_id.split("-")
    return {
        **market("linear", f"{base}USDT"),
        "id": market_id,
        "symbol": f"{base}/USDT:USDT-271231-{strike}-{kind}",
        "type": "option",
        "swap": False,
        "option": True,
        "linear": None,
        "expiry": 1830297600000,
        "strike": float(strike),
        "optionType": "call" if kind == "C" else "put",
    }


async def main() -> None:
    exchange = ccxt.pro.bybit(
        {
            "apiKey": config["key"],
            "secret": config["secret"],
            "options": {"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 6},
        }
    )
    base = config["base"]
    urls = exchange.urls["api"]["ws"]
    for category in urls["public"]:
        urls["public"][category] = f"{base}/v5/public/{category}"
    urls["private"]["contract"] = f"{base}/v5/private"
    markets = [market(category, market_id) for category, market_id in config["symbols"].items()]
    options = [option(market_id) for market_id in config.get("options", ())]
    exchange.set_markets(markets + options)

    async def watch(what: str, call: Callable[[], Awaitable[Any]]) -> None:
        while True:
            found = await call()
            if what.startswith("book"):
                found = {"ts": found["timestamp"], "bids": found["bids"], "asks": found["asks"]}
            print(json.dumps({"what": what, "found": found}), flush=True)

    watches = []
    for each in options:
        # ccxt asks for trades of an option by its symbol, where the exchange has them by base coin.
        symbol = each["symbol"]
        watches.append(watch(f"book {each['id']}", lambda symbol=symbol: exchange.watch_order_book(symbol, 25)))
    if not options:
        watches += [watch("my trades", exchange.watch_my_trades), watch("orders", exchange.watch_orders)]
    for category, each in zip(config["symbols"], markets, strict=True):
        symbol = each["symbol"]
        watches.append(watch(f"book {category}", lambda symbol=symbol: exchange.watch_order_book(symbol, 50)))
        watches.append(watch(f"trades {category}", lambda symbol=symbol: exchange.watch_trades(symbol)))
    try:
        await asyncio.gather(*watches)
    finally:
        await exchange.close()


asyncio.run(main())
