"""No secret is left in a text, whatever it stands in, and nothing else is taken out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.redaction import HIDDEN, Redactor

KEY = "slope_k7f3a2_Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
redact = Redactor([])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        pytest.param(f"Authorization: Bearer {KEY}", KEY, id="a header"),
        pytest.param("proxy-authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz", id="a proxy's header"),
        pytest.param(repr({"authorization": "Bearer abcdef0123"}), "abcdef0123", id="a dictionary"),
        pytest.param(repr([(b"authorization", b"Bearer abcdef0123")]), "abcdef0123", id="the headers of a scope"),
        pytest.param(json.dumps({"a": json.dumps({"Authorization": "A abcdef0123"})}), "abcdef0123", id="JSON in JSON"),
        pytest.param("Cookie: theme=dark; slope_session=abcdef0123", "abcdef0123", id="a cookie"),
        pytest.param(repr({"set-cookie": "session=abcdef0123; HttpOnly"}), "abcdef0123", id="a cookie that is set"),
        pytest.param(f"no key is {KEY}, said somebody", KEY, id="a key in a sentence"),
        pytest.param(f"GET /v1/jobs?key={KEY}&after=1", KEY, id="a key in a query"),
        pytest.param(f"signed with {SIGNING}", SIGNING, id="a webhook's secret"),
        pytest.param("postgresql://slope:hunter2@db/slope is away", "hunter2", id="a database's password"),
        pytest.param("redis://:s3cret/with?signs@redis:6379/0", "s3cret/with?signs", id="a broker's password"),
        pytest.param("password=hunter2 host=db", "hunter2", id="a connection's words"),
        pytest.param("s3://b/k?X-Amz-Signature=abcdef0123&X-Amz-Date=1", "abcdef0123", id="a signed address"),
    ],
)
def test_a_secret_is_known_by_its_form(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert HIDDEN in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "took a job from a lost worker  job_id=0193b3c2-7a52-7000-8000-1234567890ab",
        '{"event": "answered", "method": "GET", "route": "/v1/jobs/{job_id}", "seconds": 0.0012}',
        "http://127.0.0.1:8000/v1/jobs?status=queued&name=slope_lecture",
        "slope_jobs_claimed_total 5",
        "the database is away: sqlite:////var/lib/slope/slope.db",
    ],
)
def test_what_is_no_secret_is_left_as_it_is(text: str) -> None:
    assert redact(text) == text


@given(
    secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40),
    around=st.text(max_size=20),
)
def test_a_secret_that_is_known_is_found_whatever_its_signs(secret: str, around: str) -> None:
    own = Redactor([secret])
    assert secret not in own(f"{around}\0{secret}\0{around}").replace(around, "") or secret in HIDDEN
    assert json.dumps(secret)[1:-1] not in own(json.dumps({"error": f"\0{secret}\0"})).replace("error", "")


def test_a_short_word_is_no_secret() -> None:
    """The password `slope` would blot out every `slope`."""
    assert Redactor(["slope", ""])("slope is ready") == "slope is ready"
