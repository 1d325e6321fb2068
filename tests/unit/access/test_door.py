"""Cookies of listening sessions, and settings that are refused."""

import pytest

from callward_access.http.people import MAX_COOKIES, ListeningCookies
from callward_access.settings import AccessSettings
from callward_common.ids import new_id
from callward_common.settings import SettingsError

TOKEN = "eyJhbGciOiJFUzI1NiJ9." + "p" * 2000 + ".signature"


def test_a_cookie_opens_for_its_own_session_and_process_only() -> None:
    cookies, session_id = ListeningCookies(None), new_id()
    sealed = cookies.seal(session_id, TOKEN)
    assert cookies.open(session_id, sealed) == TOKEN
    assert cookies.open(new_id(), sealed) is None
    assert ListeningCookies(None).open(session_id, sealed) is None
    assert ListeningCookies(bytes(32)).open(session_id, ListeningCookies(bytes(32)).seal(session_id, TOKEN))


def test_a_cookie_says_nothing_of_the_token_and_is_never_twice_the_same() -> None:
    cookies, session_id = ListeningCookies(None), new_id()
    first, second = cookies.seal(session_id, TOKEN), cookies.seal(session_id, TOKEN)
    assert first != second
    assert TOKEN[:20] not in first


def test_a_token_of_two_and_a_half_kilobytes_fits_a_browsers_cookie() -> None:
    value = ListeningCookies(None).seal(new_id(), "t" * 2500)
    assert len(ListeningCookies.name(new_id())) + len(value) < 4096
    assert all(character.isalnum() or character in "-_" for character in value)


@pytest.mark.parametrize("value", ["", "x", "00", "é", "====", "A" * 10_000, "zz zz", "\x00", "-_" * 30])
def test_any_other_value_opens_nothing(value: str) -> None:
    assert ListeningCookies(None).open(new_id(), value) is None


def test_a_changed_cookie_opens_nothing() -> None:
    cookies, session_id = ListeningCookies(None), new_id()
    sealed = cookies.seal(session_id, TOKEN)
    for place in (0, 20, len(sealed) // 2, len(sealed) - 5):
        changed = "A" if sealed[place] != "A" else "B"
        assert cookies.open(session_id, sealed[:place] + changed + sealed[place + 1 :]) is None


def test_the_oldest_cookies_are_surplus() -> None:
    names = [ListeningCookies.name(new_id()) for _ in range(MAX_COOKIES + 2)]
    assert ListeningCookies.surplus([*reversed(names), "other"]) == names[:3]
    assert ListeningCookies.surplus(names[: MAX_COOKIES - 1]) == []


@pytest.mark.parametrize("key", ["", "00", "zz" * 32, "00" * 31, "00" * 33])
def test_a_cookie_key_that_is_none_is_named(key: str) -> None:
    with pytest.raises(SettingsError, match="CALLWARD_ACCESS_COOKIE_KEY") as refused:
        AccessSettings(cookie_key=key)
    assert not key or key not in str(refused.value)


def test_defaults_are_those_of_the_design(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = AccessSettings()
    assert settings.max_audit_lag.total_seconds() == 30
    assert settings.reauthorise_after.total_seconds() == 30
    assert (settings.listen_factor, settings.listen_lead.total_seconds()) == (2.0, 30)
    assert AccessSettings(cookie_key="ab" * 32).cookie_key is not None
