"""`slope webhooks`: who is told when jobs and sweeps end, and what they were sent."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.remote.connection import DEFAULT_URL, Url, connected, fail
from service.commands.remote.output import (
    AsJson,
    AsLines,
    age_of,
    note,
    print_facts,
    print_json,
    print_json_lines,
    print_rows,
)
from service.commands.spans import read_span

if TYPE_CHECKING:
    from slope.answers.webhooks import DeliveryView, NewWebhookView, WebhookView

app = typer.Typer(help="Webhooks: who is told when jobs and sweeps end.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(metavar="ID", help="The webhook's id")]
Events = Annotated[
    list[str] | None,
    typer.Option(help="job.succeeded, job.failed, job.cancelled, job.paused or sweep.finished; again for more"),
]
Name = Annotated[str | None, typer.Option(help="What to call it")]


@app.command()
def create(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where messages are sent")],
    event: Events = None,
    name: Name = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Let an address be told of events. Its secret is shown this once."""
    if not event:
        fail("Say of what it is to be told, as in --event job.failed --event sweep.finished")
    with connected(url) as client:
        _print_secret(client.create_webhook(address, event, name=name), as_json)


@app.command("list")
def list_webhooks(as_json: AsLines = False, url: Url = DEFAULT_URL) -> None:
    """List webhooks, the newest first."""
    with connected(url) as client:
        found = list(client.webhooks())
    if as_json:
        print_json_lines(found)
    else:
        print_rows(("id", "state", "events", "address", "name"), map(_row, found))


@app.command()
def change(
    webhook: WebhookId,
    address: Annotated[str | None, typer.Option(help="Where messages are sent from now on")] = None,
    event: Events = None,
    name: Name = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Change where messages go, or what they tell."""
    values = {"url": address, "events": event, "name": name}
    _change(webhook, {key: value for key, value in values.items() if value}, as_json, url)


@app.command()
def disable(webhook: WebhookId, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Send nothing more, until it is enabled again."""
    _change(webhook, {"enabled": False}, as_json, url)


@app.command()
def enable(webhook: WebhookId, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Send again, also what still waits."""
    _change(webhook, {"enabled": True}, as_json, url)


@app.command()
def delete(webhook: WebhookId, url: Url = DEFAULT_URL) -> None:
    """Delete a webhook with all of its messages."""
    with connected(url) as client:
        client.delete_webhook(webhook)
    note(f"Webhook {webhook} is deleted.")


@app.command()
def rotate(
    webhook: WebhookId,
    overlap: Annotated[str, typer.Option(help="How long the old secret counts, too, as 12h or 7d")] = "1d",
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Make a new secret, which is shown this once."""
    seconds = read_span(overlap, "--overlap", plain="hours").total_seconds()
    with connected(url) as client:
        _print_secret(client.rotate_webhook_secret(webhook, overlap_seconds=seconds), as_json)


@app.command("test")
def try_webhook(webhook: WebhookId, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Send a message to try it."""
    with connected(url) as client:
        sent = client.try_webhook(webhook)
    told = f"Message {sent.id} is on its way: slope webhooks deliveries {webhook} says what becomes of it"
    print_json(sent) if as_json else note(told)


@app.command()
def deliveries(
    webhook: WebhookId,
    status: Annotated[str | None, typer.Option(help="waiting, delivered or failed")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most messages to print")] = 20,
    as_json: AsLines = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List what a webhook was sent, and what became of it."""
    with connected(url) as client:
        found = list(islice(client.deliveries(webhook, status=status), limit))
    if as_json:
        print_json_lines(found)
    else:
        print_rows(("id", "type", "status", "attempts", "age", "error"), map(_delivery_row, found))


@app.command("send-again")
def send_again(
    webhook: WebhookId,
    messages: Annotated[list[str], typer.Argument(metavar="MESSAGE…", help="Their ids")],
    as_json: AsLines = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Send messages again, whatever became of them."""
    with connected(url) as client:
        for message in messages:
            sent = client.send_again(webhook, message)
            print_json_lines([sent]) if as_json else note(f"Message {message} is on its way again.")


def _change(webhook: str, values: dict[str, Any], as_json: bool, url: str) -> None:
    with connected(url) as client:
        found = client.change_webhook(webhook, **values)
    print_json(found) if as_json else print_rows(("id", "state", "events", "address", "name"), [_row(found)])


def _print_secret(webhook: "NewWebhookView", as_json: bool) -> None:
    if as_json:
        print_json(webhook)
        return
    print_facts({"webhook": webhook.id, "address": webhook.url, "secret": webhook.secret})
    note("Keep the secret: it is not shown again, and its receiver checks signatures with it.")


def _row(webhook: "WebhookView") -> tuple[Any, ...]:
    failing = f"failing for {age_of(webhook.failing_since)}" if webhook.failing_since else "enabled"
    state = failing if webhook.enabled else f"disabled: {webhook.disabled_reason}"
    return webhook.id, state, " ".join(webhook.events), webhook.url, webhook.name


def _delivery_row(delivery: "DeliveryView") -> tuple[Any, ...]:
    age = age_of(delivery.created_at)
    return delivery.id, delivery.type, delivery.status, delivery.attempts, age, delivery.error
