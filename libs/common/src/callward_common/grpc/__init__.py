"""gRPC with mutual TLS: server, channels, and who is calling."""
