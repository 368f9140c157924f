"""What is Bybit's own: topics, messages and the dialects of its WebSocket protocol. Nothing here knows a socket."""
