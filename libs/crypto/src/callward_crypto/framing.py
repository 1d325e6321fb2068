"""Unambiguous framing of several fields into one byte string."""


def frame(*fields: str | bytes) -> bytes:
    """Returns every field as its length in bytes (BE32) followed by its bytes; text is encoded as UTF-8.

    No two different lists of fields give the same bytes, so the result may be hashed or used as associated data.
    Raises ValueError for text that is not valid Unicode, OverflowError for a field of 4 GiB or more.
    """
    encoded = [field.encode() if isinstance(field, str) else field for field in fields]
    return b"".join(len(field).to_bytes(4, "big") + field for field in encoded)
