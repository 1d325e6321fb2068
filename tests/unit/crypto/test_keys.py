import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callward_crypto import keys
from callward_crypto.framing import frame
from callward_crypto.streaming import DecryptionError
from tests.support import oracle_tink

KEY = bytes(range(32))
FIELDS = st.lists(st.text(max_size=8) | st.binary(max_size=8), max_size=4)


def _as_bytes(fields: list[str | bytes]) -> list[bytes]:
    return [field.encode() if isinstance(field, str) else field for field in fields]


@given(FIELDS, FIELDS)
def test_framing_is_unambiguous(first: list[str | bytes], second: list[str | bytes]) -> None:
    assert (frame(*first) == frame(*second)) == (_as_bytes(first) == _as_bytes(second))


def test_framing_counts_bytes_not_characters() -> None:
    assert frame("é", b"\x00", "") == bytes.fromhex("00000002c3a9 0000000100 00000000")
    assert frame() == b""
    with pytest.raises(ValueError, match="surrogates"):
        frame("\ud800")


@pytest.mark.parametrize(
    "label", [keys.METADATA_LABEL, keys.COMMITMENT_LABEL, keys.rendition_label("original")]
)
def test_subkeys_are_rfc_5869(label: str) -> None:
    pseudorandom = hmac.digest(bytes(32), KEY, "sha256")
    assert keys.derive_subkey(KEY, label) == hmac.digest(pseudorandom, label.encode() + b"\x01", "sha256")


def test_labels_are_the_published_ones_and_keys_differ() -> None:
    labels = [keys.METADATA_LABEL, keys.COMMITMENT_LABEL, *map(keys.rendition_label, ("original", "peaks"))]
    assert labels == [
        "callward/1/metadata",
        "callward/1/commitment",
        "callward/1/rendition/original",
        "callward/1/rendition/peaks",
    ]
    assert len({keys.derive_subkey(KEY, label) for label in labels} | {KEY}) == 5


@pytest.mark.parametrize("key", [b"", KEY[:16], KEY + KEY])
def test_data_keys_of_other_lengths_are_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        keys.derive_subkey(key, keys.METADATA_LABEL)


@pytest.mark.parametrize("name", ["", "Original", "a/b", "a_b", "a b", "é", "a\n", "x" * 65])
def test_bad_rendition_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="rendition name"):
        keys.rendition_label(name)
    with pytest.raises(ValueError, match="rendition name"):
        keys.associated_data("t", "s", name, 0)


def test_associated_data_is_byte_exact() -> None:
    expected = (
        b"\x00\x00\x00\x0acallward/1"
        b"\x00\x00\x00\x03abc"
        b"\x00\x00\x00\x02id"
        b"\x00\x00\x00\x08original"
        b"\x00\x00\x01\x02"
    )
    assert keys.associated_data("abc", "id", "original", 258) == expected
    for part in (-1, 2**32):
        with pytest.raises(ValueError, match="32 bits"):
            keys.associated_data("abc", "id", "original", part)


@given(st.binary(max_size=300))
@settings(max_examples=30, deadline=None)
def test_small_documents_round_trip_and_tink_reads_them(document: bytes) -> None:
    sealed = keys.seal_small(KEY, b"where", document)
    assert len(sealed) == len(document) + 56
    assert keys.open_small(KEY, b"where", sealed) == oracle_tink.unseal(KEY, b"where", sealed) == document
    assert keys.open_small(KEY, b"where", oracle_tink.seal(KEY, b"where", document)) == document


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_altered_small_documents_fail(data: st.DataObject) -> None:
    document = hashlib.sha512(b"").digest() * data.draw(st.sampled_from([1, 2000]))
    sealed = bytearray(keys.seal_small(KEY, b"where", document))
    position = data.draw(st.integers(0, len(sealed) - 1))
    with pytest.raises(DecryptionError):
        keys.open_small(KEY, b"where", bytes(sealed[:position]))
    with pytest.raises(DecryptionError):
        keys.open_small(KEY, b"where", bytes(sealed) + b"\0")
    with pytest.raises(DecryptionError):
        keys.open_small(KEY, b"elsewhere", bytes(sealed))
    sealed[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DecryptionError):
        keys.open_small(KEY, b"where", bytes(sealed))
