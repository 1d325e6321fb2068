"""Events: the envelope, the bus, the consumer loop, and the options that protos declare."""
