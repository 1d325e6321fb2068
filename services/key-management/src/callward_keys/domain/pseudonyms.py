"""Keyed pseudonyms: what goes into the HMAC, so that equal identifiers meet and different kinds never do."""

import re
import unicodedata
from datetime import date, datetime, timedelta
from enum import StrEnum

from callward_common.errors import InvalidRequest
from callward_keys.domain.model import TENANT_ID

MAX_VALUES = 100
MAX_CHARACTERS = 200
EARLIEST_YEAR = 1970
_QUARTER = re.compile(r"([0-9]{4})Q([1-4])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SEPARATORS = re.compile(r"[\s().\-/]")
# ITU-T E.164 (11/2010) section 6: at most 15 digits, and no country code starts with 0.
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")


class IdentifierKind(StrEnum):
    """What an identifier is: equal values of two kinds have different pseudonyms."""

    telephone = "telephone"
    patient = "patient"
    external_reference = "external-reference"


def normalise(kind: IdentifierKind, value: str) -> str:
    """Gives the one form of an identifier. Raises InvalidRequest without repeating the value.

    Telephone numbers lose their separators and must be E.164 then; patients' references lose surrounding and
    repeated white space and the difference between cases and compatible characters (Unicode NFKC, casefold). External
    references are another system's: they lose surrounding white space and the difference between equivalent
    sequences of characters (Unicode NFC), and nothing else.
    """
    if not 0 < len(value) <= MAX_CHARACTERS:
        raise InvalidRequest(f"An identifier is empty or longer than {MAX_CHARACTERS} characters.")
    if kind is IdentifierKind.telephone:
        number = _SEPARATORS.sub("", value)
        if _E164.fullmatch(number) is None:
            raise InvalidRequest("A telephone number is not in E.164 form.")
        return number
    if kind is IdentifierKind.external_reference:
        external = unicodedata.normalize("NFC", value).strip()
        if not external or not external.isprintable():
            raise InvalidRequest("An external reference is blank or has control characters.")
        return external
    reference = " ".join(unicodedata.normalize("NFKC", value).casefold().split())
    if not reference or not reference.isprintable():
        raise InvalidRequest("A patient's reference is blank or has control characters.")
    return reference


def message(kind: IdentifierKind, value: str) -> bytes:
    """Gives the bytes under the HMAC. The kind comes first and holds no NUL: kinds are apart."""
    return b"callward/1/pseudonym/" + kind.value.encode() + b"\0" + normalise(kind, value).encode()


def pseudonym_transit_key(tenant_id: str, quarter: str, now: datetime) -> str:
    """Gives the name of the transit key of a tenant's quarter. Raises InvalidRequest for one that cannot be yet."""
    match = _QUARTER.fullmatch(quarter)
    if match is None:
        raise InvalidRequest('quarter is not of the form "2026Q4".')
    year, number = int(match[1]), int(match[2])
    # A day's tolerance: neighbours' clocks and time zones may be ahead of ours at the turn of a quarter.
    latest = now + timedelta(days=1)
    if year < EARLIEST_YEAR or (year, number) > (latest.year, (latest.month + 2) // 3):
        raise InvalidRequest("quarter lies in the future, or before there were records.")
    return f"pseudonym.{_tenant(tenant_id)}.{quarter}"


def fingerprint_transit_key(tenant_id: str) -> str:
    """Gives the name of the transit key that a tenant's fingerprint keys come from."""
    return f"fingerprint.{_tenant(tenant_id)}"


def fingerprint_message(text: str, now: datetime) -> bytes:
    """Gives the bytes under the HMAC for a day's fingerprint key, "YYYY-MM-DD" in UTC."""
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise InvalidRequest('date is not a day "YYYY-MM-DD".')
    if day.year < EARLIEST_YEAR or day > (now + timedelta(days=1)).date():
        raise InvalidRequest("date lies in the future, or before there were records.")
    return b"callward/1/fingerprint/" + day.isoformat().encode()


def _tenant(tenant_id: str) -> str:
    if TENANT_ID.fullmatch(tenant_id) is None:
        raise InvalidRequest("tenant_id is not a tenant's id.")
    return tenant_id
