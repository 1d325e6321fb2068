"""Checks documents offline: receipts, proofs of inclusion, proofs of consistency."""
