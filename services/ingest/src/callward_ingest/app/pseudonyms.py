"""Keyed pseudonyms of what identifies people: calls are found by them without any identifier."""

from callward_ingest.domain.calls import IdentifierKind, Identifying, Pseudonym
from callward_ingest.ports import Pseudonyms


async def make_pseudonyms(
    port: Pseudonyms, tenant: str, quarter: str, identifying: Identifying
) -> list[Pseudonym]:
    """Returns a pseudonym for every identifier of a call, each once. `quarter`: the call's."""
    texts: dict[IdentifierKind, list[str | None]] = {
        IdentifierKind.telephone: [*(number for _, number in identifying.telephones)],
        IdentifierKind.patient: [identifying.patient_reference],
        IdentifierKind.external_reference: [identifying.external_reference],
    }
    found: list[Pseudonym] = []
    for kind, stated in texts.items():
        values = list(dict.fromkeys(value for value in stated if value is not None))
        if values:
            made = await port.pseudonymise(tenant, quarter, kind, values)
            found.extend(Pseudonym(kind, quarter, value) for value in dict.fromkeys(made))
    return found
