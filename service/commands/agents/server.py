"""The MCP server: an agent's calls become requests to the service, and its answers text that an agent can hold."""

import json
from typing import Any

import anyio
import httpx2
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as Described

from service.commands.agents.tools import CHANGING, Tool, tools_of
from slope import __version__
from slope.client import Client, Problem
from slope.client.exchange.exchange import Request
from slope.client.problem import checked

INSTRUCTIONS = """Slope trains linear regressions by gradient descent. Every job is recorded: its settings, epochs, \
events and model.
What went wrong with a job: list_jobs with status ["failed"], then get_job. Its `error` says what happened and what to \
do, its `analysis` has the exact solution and `max_stable_learning_rate`, and list_epochs with points=20 its course.
To put it right: rerun_job with body {"hyperparameters": {...}}, which is a merge patch of the job's own request; \
"learning_rate": "auto" chooses a rate by the data. With prefer "wait=20" the answer waits for the end.
Values that are null are left out of answers, and of long lists the first items are given."""

_MOST_ITEMS = 20
"""Of a list of numbers or texts."""
_MOST_CHARACTERS = 40_000
"""Of an answer: about ten thousand tokens."""


def run_server(url: str, *, allow_changes: bool) -> None:
    """Serve on standard input and output until that ends. Raises httpx2's errors, and Problem."""
    with Client(url) as client:
        document = _ask(client, Request("GET", "/openapi.json"))
        server = build_server(client, tools_of(document, allow_changes=allow_changes))
        anyio.run(_serve, server)


async def _serve(server: Server[Any]) -> None:
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def build_server(client: Client, tools: list[Tool]) -> Server[Any]:
    """A server with these tools, that asks this client."""
    by_name = {tool.name: tool for tool in tools}

    async def list_tools(_: Any, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=list(map(_described, tools)))

    async def call_tool(_: Any, called: CallToolRequestParams) -> CallToolResult:
        try:
            request = _tool(by_name, called.name).request(called.arguments or {})
            answer = await anyio.to_thread.run_sync(_ask, client, request)
        except (Problem, ValueError, httpx2.HTTPError) as error:
            return _result(str(error) or type(error).__name__, is_error=True)
        return _result(answer_text(answer))

    return Server(
        "slope", version=__version__, instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool
    )


def _tool(tools: dict[str, Tool], name: str) -> Tool:
    if name in tools:
        return tools[name]
    if name in CHANGING:
        raise ValueError(f"{name} changes something, and this server only reads: start it by slope mcp --allow-changes")
    raise ValueError(f"There is no tool {name}; there are {', '.join(tools)}")


def _described(tool: Tool) -> Described:
    hints = ToolAnnotations(read_only_hint=not tool.changes, destructive_hint=False, open_world_hint=False)
    return Described(name=tool.name, description=tool.description, input_schema=tool.schema, annotations=hints)


def _ask(client: Client, request: Request) -> Any:
    return checked(client._send(request)).json()


def answer_text(answer: Any) -> str:
    """As JSON that an agent can hold."""
    text = json.dumps(_shortened(answer), ensure_ascii=False)
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"{text[:_MOST_CHARACTERS]}… cut here, after {_MOST_CHARACTERS:,} of {len(text):,} characters: ask for less"


def _shortened(value: Any) -> Any:
    """Without what is null, and of plain lists the first items."""
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items() if each is not None}
    if not isinstance(value, list):
        return value
    if len(value) > _MOST_ITEMS and not isinstance(value[0], dict):
        return [*map(_shortened, value[:_MOST_ITEMS]), f"… and {len(value) - _MOST_ITEMS} more"]
    return list(map(_shortened, value))


def _result(text: str, *, is_error: bool = False) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=is_error)
