"""From a data key to what is given out: its subkeys and its commitment."""

from collections.abc import Sequence

from callward_crypto.keys import COMMITMENT_LABEL, METADATA_LABEL, derive_subkey, rendition_label
from callward_keys.domain.model import Subkey, Subkeys


def commitment_of(data_key: bytes) -> bytes:
    """Returns the commitment (32 bytes): it binds a manifest to the key without telling it."""
    return derive_subkey(data_key, COMMITMENT_LABEL)


def subkey_of(data_key: bytes, rendition: str | None) -> Subkey:
    """Returns one subkey; None: the metadata subkey."""
    label = METADATA_LABEL if rendition is None else rendition_label(rendition)
    return Subkey(rendition, derive_subkey(data_key, label))


def subkeys_of(data_key: bytes, wanted: Subkeys) -> Sequence[Subkey]:
    """Returns the subkeys that are asked for: renditions in order, the metadata subkey last."""
    names: list[str | None] = [*wanted.renditions, *([None] if wanted.metadata else [])]
    return [subkey_of(data_key, name) for name in names]
