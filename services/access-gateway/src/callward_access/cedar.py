"""The policy engine: Cedar, with every error counted as a refusal."""

import json
from collections.abc import Mapping

import cedarpy

from callward_access import policies
from callward_access.domain.model import Act, PolicyAnswer
from callward_access.ports import Person, PolicyObject


class InvalidPolicies(ValueError):
    """The policies do not parse, or do not fit the schema. Raised at start: nothing is served without them."""


class CedarEngine:
    """Decides with policies that were parsed and validated once.

    Cedar skips a policy whose evaluation fails, also a forbid: any error is therefore a refusal here.
    """

    def __init__(self, policy_text: str, schema_text: str) -> None:
        try:
            self._schema = cedarpy.Schema.from_str(schema_text)
            self._policies = cedarpy.PolicySet.from_str(policy_text)
            result = cedarpy.validate_policies(policy_text, self._schema)
        except ValueError as error:
            raise InvalidPolicies("the policies or their schema do not parse") from error
        if not result.validation_passed:
            raise InvalidPolicies("; ".join(str(problem) for problem in result.errors))

    @classmethod
    def shipped(cls) -> "CedarEngine":
        """Return the engine with the policies that came with this version of Callward."""
        return cls(policies.read("base.cedar"), policies.read("callward.cedarschema"))

    def decide(self, person: Person, act: Act, target: PolicyObject, purpose: str | None) -> PolicyAnswer:
        """Say whether the policies permit the act, and which decided."""
        principal = {"type": "Callward::Person", "id": f"{person.issuer}|{person.subject}"}
        resource = {"type": f"Callward::{target.kind}", "id": target.id}
        circumstances: dict[str, object] = {"mfa": person.mfa}
        if purpose is not None:
            circumstances["purpose"] = purpose
        request = {
            "principal": principal,
            "action": {"type": "Callward::Action", "id": act.value},
            "resource": resource,
            "context": circumstances,
        }
        entities = [
            _entity(principal, {"tenant": person.tenant_id, "roles": sorted(person.roles)}),
            _entity(resource, target.attributes),
        ]
        result = cedarpy.is_authorized(request, self._policies, json.dumps(entities), self._schema)
        names = result.diagnostics.id_annotations_by_reason
        deciding = sorted(names.get(reason, reason) for reason in result.diagnostics.reasons)
        failed = bool(result.diagnostics.errors)
        return PolicyAnswer(allowed=result.allowed and not failed, policies=deciding, failed=failed)


def _entity(uid: Mapping[str, str], attributes: Mapping[str, object]) -> dict[str, object]:
    return {"uid": dict(uid), "attrs": dict(attributes), "parents": []}
