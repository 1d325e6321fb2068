"""Subkeys of a data key, the associated data of its streams, and sealing of small documents."""

import re

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from callward_crypto.framing import frame
from callward_crypto.streaming import (
    HEADER_SIZE,
    KEY_SIZE,
    DecryptionError,
    StreamDecryptor,
    StreamEncryptor,
    StreamError,
    plaintext_size,
    segment_range,
)

#: First field of all associated data and prefix of all labels: the version of the format.
FORMAT = "callward/1"
METADATA_LABEL = f"{FORMAT}/metadata"
COMMITMENT_LABEL = f"{FORMAT}/commitment"

_RENDITION = re.compile(r"[a-z0-9-]{1,64}")


def derive_subkey(key: bytes, label: str) -> bytes:
    """Returns the 32-byte subkey HKDF-SHA256(key, empty salt, info = label) (RFC 5869); `key` is 32 bytes.

    Raises ValueError for a key of another length.
    """
    if len(key) != KEY_SIZE:
        raise ValueError("A data key is not 32 bytes.")
    return HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=None, info=label.encode()).derive(key)


def rendition_label(name: str) -> str:
    """Returns the label of a rendition's key; ValueError unless the name is 1 to 64 of `a-z`, `0-9`, `-`."""
    return f"{FORMAT}/rendition/{_checked(name)}"


def associated_data(tenant: str, subject_id: str, rendition: str, part: int) -> bytes:
    """Returns the associated data that binds one part of one rendition to its place.

    The framed fields `callward/1`, tenant, subject id and rendition, then the part's number from 0 as BE32.
    Raises ValueError for a rendition name as `rendition_label` does and for a part number outside 32 bits.
    """
    if not 0 <= part < 2**32:
        raise ValueError("A part number is outside 32 bits.")
    return frame(FORMAT, tenant, subject_id, _checked(rendition)) + part.to_bytes(4, "big")


def seal_small(key: bytes, associated_data: bytes, plaintext: bytes) -> bytes:
    """Returns a whole document sealed as one stream (56 bytes longer up to 65,480 bytes), readable by Tink."""
    encryptor = StreamEncryptor(key, associated_data)
    return encryptor.update(plaintext) + encryptor.finish()


def open_small(key: bytes, associated_data: bytes, sealed: bytes) -> bytes:
    """Returns the document that `seal_small` or Tink sealed.

    Raises DecryptionError for other bytes, key or associated data, StreamError for a key of a wrong length.
    """
    if sealed[:1] != bytes([HEADER_SIZE]):
        raise DecryptionError("The bytes are not a sealed document.")
    try:
        plaintext_size(len(sealed))
    except StreamError as error:
        raise DecryptionError("The bytes are not a sealed document.") from error
    decryptor = StreamDecryptor(key, associated_data, sealed[:HEADER_SIZE], len(sealed))
    ranges = [segment_range(index, index, len(sealed)) for index in range(decryptor.segment_count)]
    return b"".join(
        decryptor.decrypt_segment(index, sealed[start or HEADER_SIZE : stop])
        for index, (start, stop) in enumerate(ranges)
    )


def _checked(name: str) -> str:
    if _RENDITION.fullmatch(name) is None:
        raise ValueError("A rendition name is not 1 to 64 of a-z, 0-9 and hyphen.")
    return name
