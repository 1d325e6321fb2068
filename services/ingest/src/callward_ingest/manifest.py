"""The bytes of a manifest. They are made once, hashed, and stored as they are."""

from callward.ingest.v1 import manifest_pb2
from callward_ingest.domain.recordings import FORMAT, Manifest, Part, Rendition
from callward_ingest.translate import masked_messages


def encode_manifest(manifest: Manifest) -> bytes:
    """Gives the bytes of a manifest (callward/ingest/v1/manifest.proto)."""
    message = manifest_pb2.Manifest(
        format=FORMAT,
        tenant_id=manifest.tenant_id,
        recording_id=manifest.recording_id,
        key_id=manifest.key_id,
        key_commitment=manifest.key_commitment,
        renditions=[_rendition(rendition) for rendition in manifest.renditions],
        version=manifest.version,
    )
    return message.SerializeToString(deterministic=True)


def _rendition(rendition: Rendition) -> manifest_pb2.Rendition:
    parts = [_part(part) for part in rendition.parts]
    return manifest_pb2.Rendition(
        name=rendition.name,
        media_type=rendition.media_type,
        parts=parts,
        masked=masked_messages(rendition.masked),
    )


def _part(part: Part) -> manifest_pb2.Part:
    return manifest_pb2.Part(
        object_key=part.object_key,
        version_id=part.version_id,
        plaintext_size=part.plaintext_size,
        ciphertext_size=part.ciphertext_size,
        header=part.header,
        ciphertext_sha256=part.ciphertext_sha256,
    )
