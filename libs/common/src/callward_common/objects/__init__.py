"""Objects: the ports to a store of versioned objects and its locks."""
