"""What several of the gRPC services read from requests."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from callward.keys.v1 import data_key_pb2
from callward_common.errors import InvalidRequest
from callward_common.ids import parse_id
from callward_keys.domain.model import Subject, SubjectKind, Subkeys
from callward_keys.events import SUBJECT_KINDS

_KINDS = {number: kind for kind, number in SUBJECT_KINDS.items()}
#: Moments outside these years are refused: arithmetic on them would leave the calendar.
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)


def subject_of(tenant_id: str, kind: int, subject_id: str) -> Subject:
    """Returns the subject of a key, or raises InvalidRequest."""
    return Subject(tenant_id, kind_of(kind), parse_id(subject_id))


def kind_of(kind: int) -> SubjectKind:
    """Returns the kind of a subject, or raises InvalidRequest for one that is not stated or not known."""
    found = _KINDS.get(kind)  # type: ignore[call-overload]  # the enum is open: any number may arrive
    if found is None:
        raise InvalidRequest("subject_kind is not stated or not known.")
    return SubjectKind(found)


def subkeys_of(message: data_key_pb2.Subkeys) -> Subkeys:
    """Returns the subkeys that are asked for, or raises InvalidRequest."""
    return Subkeys(tuple(message.renditions), message.metadata)


def moment_of(timestamp: Timestamp, name: str) -> datetime:
    """Returns a moment in UTC, or raises InvalidRequest. An absent one is the epoch and refused as well."""
    try:
        moment = timestamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"{name} is not a moment.") from None
    if not _EARLIEST < moment < _LATEST:
        raise InvalidRequest(f"{name} is missing or lies outside the years that are known here.")
    return moment
