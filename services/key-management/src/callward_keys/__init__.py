"""The key-management service: issues, seals and opens data keys, signs documents, makes pseudonyms."""
