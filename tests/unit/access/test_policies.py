"""The shipped policies decide as the table says, and an engine that fails says no."""

import itertools

import pytest

from callward_access import policies
from callward_access.cedar import CedarEngine, InvalidPolicies
from callward_access.domain.errors import PurposeRequired, UnknownPurpose
from callward_access.domain.model import Act, PolicyAnswer
from callward_access.domain.purposes import PURPOSES, demand_purpose
from callward_access.ports import PolicyObject
from callward_keys.domain import purposes as key_management
from tests.unit.access.scene import person
from tests.unit.access.sealing import TENANT

ENGINE = CedarEngine.shipped()
ROLES = [(), ("supervisor",), ("agent",), ("auditor", "Supervisor"), ("agent", "supervisor")]
MEDIA = {Act.listen, Act.download}


def decide(
    engine: CedarEngine,
    act: Act,
    *,
    roles: tuple[str, ...] = ("supervisor",),
    tenant: str = TENANT,
    consent: str = "permit",
    state: str = "sealed",
    purpose: str | None = "HOPERAT",
    mfa: bool = True,
) -> PolicyAnswer:
    attributes = {"tenant": tenant}
    if act is not Act.list:
        attributes |= {"queue": "cardiology", "state": state, "consent": consent}
    target = PolicyObject("Tenant" if act is Act.list else "Recording", "id-1", attributes)
    return engine.decide(person(roles=roles, mfa=mfa), act, target, purpose)


def expected(
    act: Act, roles: tuple[str, ...], tenant: str, consent: str, state: str, purpose: str | None, mfa: bool
) -> bool:
    """The rule in words: a supervisor with a second factor may list, view and listen, each for a purpose."""
    if "supervisor" not in roles or tenant != TENANT or not mfa or act is Act.download:
        return False
    if act is Act.list:
        return True
    return purpose is not None and (act not in MEDIA or (consent == "permit" and state == "sealed"))


@pytest.mark.parametrize("act", list(Act))
def test_the_table(act: Act) -> None:
    allowed = 0
    for row in itertools.product(
        ROLES,
        [TENANT, "other-clinic"],
        ["permit", "revoked", "evidence-missing", "recording-off", "unknown", "not-asked"],
        ["sealed", "quarantined", "unknown"],
        [None, "HOPERAT"],
        [True, False],
    ):
        roles, tenant, consent, state, purpose, mfa = row
        answer = decide(
            ENGINE, act, roles=roles, tenant=tenant, consent=consent, state=state, purpose=purpose, mfa=mfa
        )
        assert answer.allowed == expected(act, *row), (act, row, answer)
        assert not answer.failed
        allowed += answer.allowed
    assert (allowed > 0) == (act is not Act.download)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, ["supervisor-listens"]),
        ({"mfa": False}, ["forbid-without-second-factor"]),
        ({"tenant": "other-clinic"}, ["forbid-other-tenants"]),
        ({"purpose": None}, ["forbid-acts-without-purpose"]),
        ({"consent": "revoked"}, ["forbid-media-without-consent"]),
        ({"state": "quarantined"}, ["forbid-media-in-quarantine"]),
        ({"roles": ("agent",)}, []),
    ],
)
def test_what_decided_is_named(changes: dict[str, object], named: list[str]) -> None:
    answer = decide(ENGINE, Act.listen, **changes)  # type: ignore[arg-type]
    assert answer.policies == named
    assert answer.allowed == (named == ["supervisor-listens"])


# It validates, and fails whenever it is evaluated: Cedar skips it and would say Allow.
FAILING_FORBID = """
@id("forbid-that-fails")
forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };
"""


@pytest.mark.parametrize("act", [Act.list, Act.view, Act.listen])
def test_a_forbid_that_errors_is_a_refusal(act: Act) -> None:
    engine = CedarEngine(policies.read("base.cedar") + FAILING_FORBID, policies.read("callward.cedarschema"))
    assert decide(ENGINE, act).allowed
    answer = decide(engine, act)
    assert (answer.allowed, answer.failed) == (False, True)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"tenant": TENANT},
        {"tenant": TENANT, "queue": "q", "state": "sealed", "consent": "permit", "more": "x"},
    ],
)
def test_a_request_that_does_not_fit_the_schema_is_a_refusal(attributes: dict[str, str]) -> None:
    answer = ENGINE.decide(person(), Act.listen, PolicyObject("Recording", "id-1", attributes), "HOPERAT")
    assert (answer.allowed, answer.failed) == (False, True)


def test_texts_from_outside_stay_texts() -> None:
    hostile = person('sam" || true //', roles=('supervisor"', "x\n"))
    assert not ENGINE.decide(
        hostile, Act.list, PolicyObject("Tenant", TENANT, {"tenant": TENANT}), None
    ).allowed


BASE, SCHEMA = policies.read("base.cedar"), policies.read("callward.cedarschema")


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        (BASE + "\npermit (principal, action, resource", SCHEMA),
        (BASE + '\npermit (principal, action, resource) when { principal.colour == "red" };', SCHEMA),
        (BASE + '\npermit (principal, action == Callward::Action::"fly", resource);', SCHEMA),
        (BASE + '\nforbid (principal, action, resource) when { context.purpose == "HMARKT" };', SCHEMA),
        (BASE, SCHEMA + "\nnonsense"),
        (BASE, "namespace Callward { entity Person; }"),
    ],
)
def test_what_does_not_fit_the_schema_does_not_start(text: str, schema: str) -> None:
    with pytest.raises(InvalidPolicies):
        CedarEngine(text, schema)


def test_every_policy_has_an_id_of_its_own() -> None:
    ids = [line for line in BASE.splitlines() if line.startswith("@id(")]
    starts = [line for line in BASE.splitlines() if line.startswith(("permit", "forbid"))]
    assert len(set(ids)) == len(starts) == len(ids)


@pytest.mark.parametrize("code", sorted(PURPOSES))
def test_a_code_of_the_value_set_is_a_purpose(code: str) -> None:
    assert demand_purpose(code) == code


@pytest.mark.parametrize(
    ("code", "error"),
    [(None, PurposeRequired), ("", PurposeRequired)]
    + [(code, UnknownPurpose) for code in ("hoperat", "HOPERAT ", "CURIOSITY", "PurposeOfUse")],
)
def test_anything_else_is_none(code: str | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        demand_purpose(code)


def test_key_management_takes_the_same_purposes() -> None:
    # Services never import each other: each has its own list, and a grant that opens no key would help nobody.
    assert PURPOSES == key_management.PURPOSES
