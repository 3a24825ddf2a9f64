"""An agent's work with a real MCP client: a job that diverged is found, understood and put right."""

import asyncio
import json
import os
import sys
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from e2e.services import Serve
from slope.client import Client as Service

Json = dict[str, Any]

HOUSES: Json = {
    "name": "houses",
    "dataset": {"x": [[60.0, 2.0], [80.0, 3.0], [100.0, 3.0], [120.0, 4.0]], "y": [300.0, 400.0, 480.0, 590.0]},
    "hyperparameters": {"epochs": 50, "batch_size": "full", "learning_rate": 0.5},
}


class Agent:
    """Counts its calls."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.calls = 0

    async def call(self, tool: str, /, **arguments: Any) -> Any:
        self.calls += 1
        result = await self._client.call_tool(tool, arguments)
        [content] = result.content
        assert content.type == "text"
        return content.text if result.is_error else json.loads(content.text)


def _server(url: str, *options: str) -> StdioServerParameters:
    arguments = ["-m", "service.commands.cli", "mcp", "--url", url, *options]
    return StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))


async def _put_right(url: str) -> tuple[int, Json, Json]:
    async with Client(_server(url, "--allow-changes")) as client:
        assert "max_stable_learning_rate" in (client.instructions or "")
        agent = Agent(client)
        [failed] = (await agent.call("list_jobs", status=["failed"], name="houses"))["data"]
        job = await agent.call("get_job", job_id=failed["id"])
        assert job["error"]["code"] == "diverged"
        assert job["analysis"]["max_stable_learning_rate"] < job["hyperparameters"]["learning_rate"]
        patch = {"hyperparameters": {"learning_rate": "auto", "standardize": True, "epochs": 200}}
        again = await agent.call("rerun_job", job_id=job["id"], body=patch, prefer="wait=60")
        statistics = await agent.call("get_statistics", job_id=again["id"])
        return agent.calls, again, statistics


async def _read_only(url: str) -> tuple[set[str], str, str]:
    async with Client(_server(url)) as client:
        tools = (await client.list_tools()).tools
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        agent = Agent(client)
        refused = await agent.call("submit_job", body=HOUSES)
        unknown = await agent.call("get_job", job_id="7")
        return {tool.name for tool in tools}, refused, unknown


@pytest.fixture
def diverged(serve: Serve) -> str:
    with Service(serve.url) as service:
        return str(service.wait(service.submit(HOUSES).id).id)


def test_a_job_that_diverged_is_found_understood_and_put_right_in_six_calls(serve: Serve, diverged: str) -> None:
    calls, again, statistics = asyncio.run(_put_right(serve.url))
    assert calls <= 6
    assert (again["status"], again["name"]) == ("succeeded", "houses")
    assert again["id"] != diverged
    assert again["metrics"]["training"]["r_squared"] > 0.99
    trained = [each["trained"] for each in statistics["coefficients"]]
    assert trained == pytest.approx([again["bias"], *again["weights"]])


def test_an_agent_that_may_only_read_changes_nothing(serve: Serve) -> None:
    names, refused, unknown = asyncio.run(_read_only(serve.url))
    assert "get_job" in names
    assert "submit_job" not in names
    assert "start it by slope mcp --allow-changes" in refused
    assert "(422)" in unknown
    with serve.client as service:
        assert not [job for job in service.jobs(name="houses") if job.status == "queued"]
