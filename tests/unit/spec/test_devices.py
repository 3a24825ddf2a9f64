"""What a job may ask for as its device, and what it gets."""

import pytest

from slope.spec.job import device_for, requests_served


@pytest.mark.parametrize(
    ("devices", "served"),
    [
        (["cpu"], {"auto", "cpu"}),
        (["cpu", "cuda:0", "cuda:1"], {"auto", "cpu", "cuda", "cuda:0", "cuda:1"}),
        (["cpu", "cuda:3"], {"auto", "cpu", "cuda:3"}),
    ],
)
def test_a_job_may_ask_for_what_it_gets(devices: list[str], served: set[str]) -> None:
    assert set(requests_served(devices)) == served
    assert {device_for(request) for request in served} <= set(devices)
