"""The sealed document of a call: what identifies people, as JSON, before it is encrypted."""

import json
from typing import Any

from callward_ingest.domain.calls import NewCall


def call_document(call: NewCall) -> bytes:
    """Gives the document of a call as JSON in UTF-8. Members without a value are left out."""
    telephones = dict(call.identifying.telephones)
    parties: list[dict[str, Any]] = []
    for party in call.parties:
        entry: dict[str, Any] = {
            "partyId": party.party_id,
            "role": party.role.value,
            "jurisdictions": list(party.jurisdictions),
        }
        if party.party_id in telephones:
            entry["telephone"] = telephones[party.party_id]
        parties.append(entry)
    stated = {
        "patientReference": call.identifying.patient_reference,
        "agentId": call.identifying.agent_id,
        "notes": call.identifying.notes,
        "externalReference": call.identifying.external_reference,
    }
    document = {"parties": parties, **{name: value for name, value in stated.items() if value is not None}}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
