"""Purposes of use: codes of HL7 v3 ActReason, value set PurposeOfUse.

Source: http://terminology.hl7.org/CodeSystem/v3-ActReason. Each maps to a basis in 45 CFR 164.502 to 164.528.
"""

from callward_access.domain.errors import PurposeRequired, UnknownPurpose

PURPOSES = frozenset(
    {
        "TREAT",
        "ETREAT",
        "BTG",
        "CAREMGT",
        "COC",
        "HPAYMT",
        "COVERAGE",
        "CLMATTCH",
        "HOPERAT",
        "HCOMPL",
        "HSYSADMIN",
        "HMARKT",
        "HRESCH",
        "PATRQT",
        "FAMRQT",
        "PWATRNY",
        "SUPNWK",
        "PUBHLTH",
        "HLEGAL",
        "HDIRECT",
        "HDECD",
        "HPRGRP",
        "HQUALIMP",
        "HOUTCOMS",
        "DONAT",
        "THREAT",
    }
)


def demand_purpose(code: str | None) -> str:
    """Return the code. Raises PurposeRequired without one and UnknownPurpose for one that is not in the value set."""
    if not code:
        raise PurposeRequired("say for which purpose (an HL7 v3 ActReason code, for example HOPERAT)")
    if code not in PURPOSES:
        raise UnknownPurpose("the purpose is not a code of HL7 v3 ActReason's PurposeOfUse")
    return code
