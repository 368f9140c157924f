"""Everything specific to Bybit: topics, messages and dialects of its WebSocket protocol. Uses no socket."""
