"""Purposes of use: HL7 v3-ActReason (http://terminology.hl7.org/CodeSystem/v3-ActReason), value set v3-PurposeOfUse."""

from typing import Final

from callward_keys.domain.errors import UnknownPurpose

#: The codes that are taken, by what they rest on in HIPAA (45 CFR 164.502 to 164.528). The one for workers'
#: compensation (164.512(l)) is left out until its spelling is verified.
PURPOSES: Final = frozenset(
    {"TREAT", "ETREAT", "BTG", "CAREMGT", "COC"}  # treatment; break the glass: 164.312(a)(2)(ii)
    | {"HPAYMT", "COVERAGE", "CLMATTCH"}  # payment
    | {"HOPERAT", "HCOMPL", "HSYSADMIN", "HPRGRP", "HQUALIMP", "HOUTCOMS"}  # health care operations
    | {"HMARKT", "HRESCH"}  # 164.508(a)(3); 164.508, 164.512(i)
    | {"PATRQT", "FAMRQT", "PWATRNY", "SUPNWK"}  # 164.524; 164.502(g), 164.510(b)
    | {"PUBHLTH", "HLEGAL", "HDIRECT", "HDECD", "DONAT", "THREAT"}  # 164.512, 164.510(a)
)


def demand_purpose(code: str) -> str:
    """Returns the code, or raises UnknownPurpose. Codes are case-sensitive."""
    if code not in PURPOSES:
        raise UnknownPurpose("The purpose is not a code of HL7's v3-PurposeOfUse.")
    return code
