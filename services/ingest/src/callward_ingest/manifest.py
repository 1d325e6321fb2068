"""The bytes of a manifest. They are made once, hashed, and stored as they are."""

from callward.ingest.v1 import manifest_pb2
from callward_ingest.domain.recordings import FORMAT, ORIGINAL, Manifest


def encode_manifest(manifest: Manifest) -> bytes:
    """Gives the bytes of a manifest (callward/ingest/v1/manifest.proto)."""
    part = manifest_pb2.Part(
        object_key=manifest.part.object_key,
        version_id=manifest.part.version_id,
        plaintext_size=manifest.part.plaintext_size,
        ciphertext_size=manifest.part.ciphertext_size,
        header=manifest.part.header,
        ciphertext_sha256=manifest.part.ciphertext_sha256,
    )
    message = manifest_pb2.Manifest(
        format=FORMAT,
        tenant_id=manifest.tenant_id,
        recording_id=manifest.recording_id,
        key_id=manifest.key_id,
        key_commitment=manifest.key_commitment,
        renditions=[manifest_pb2.Rendition(name=ORIGINAL, media_type=manifest.media_type, parts=[part])],
        version=manifest.version,
    )
    return message.SerializeToString(deterministic=True)
