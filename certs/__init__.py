"""Device identity: a local certificate authority, and a key and certificate for each thing."""
