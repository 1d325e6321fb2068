"""Google's own implementation of the streaming format, as an oracle."""

import io
from typing import cast

import tink
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

streaming_aead.register()


class _Kept(io.BytesIO):
    # Tink closes what it writes to; the bytes are wanted afterwards.
    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()


def _primitive(key: bytes) -> streaming_aead.StreamingAead:
    parameters = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=65536, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
    )
    value = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(version=0, params=parameters, key_value=key)
    data = tink_pb2.KeyData(
        type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
        value=value.SerializeToString(),
        key_material_type=tink_pb2.KeyData.SYMMETRIC,
    )
    entry = tink_pb2.Keyset.Key(
        key_data=data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW
    )
    keyset = tink_pb2.Keyset(primary_key_id=1, key=[entry])
    handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


def seal(key: bytes, associated_data: bytes, plaintext: bytes) -> bytes:
    kept = _Kept()
    with _primitive(key).new_encrypting_stream(kept, associated_data) as stream:
        stream.write(plaintext)
    return kept.kept


def unseal(key: bytes, associated_data: bytes, sealed: bytes) -> bytes:
    with _primitive(key).new_decrypting_stream(io.BytesIO(sealed), associated_data) as stream:
        return cast(bytes, stream.read())
