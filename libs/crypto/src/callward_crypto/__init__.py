"""Pure cryptographic mechanisms: sealing, subkeys, Merkle proofs, checkpoints and signed documents. No I/O."""
