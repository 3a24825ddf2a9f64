"""The graph of a step from a real service: by the client, and by the command."""

from pathlib import Path
from typing import Any

from e2e.jobs import lecture_request
from e2e.processes import slope
from e2e.services import Serve


def test_client_and_command_show_the_chain_rule_in_a_step(
    serve: Serve, lecture: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    with serve.client as client:
        job_id = str(client.wait(client.submit(lecture_request(lecture)).id).id)
        graph = client.step_graph(job_id, 0, 2)
        tree = client.step_tree(job_id, 0, 2)
        client.save_step_graph(job_id, 0, 2, tmp_path / "step.svg", row=2, expand=[0])
        audit = client.audit(job_id, 0, limit=1)
        formula = client.graph("x*y", {"x": 2.0, "y": 3.0}, ["x"])

    expected = lecture["records"][0]["steps"][2]["gradient"]
    assert [node.grad for node in graph.nodes if node.name == "w"] == [expected]
    assert "w.grad = −16.2288" in tree
    assert (tmp_path / "step.svg").read_text().startswith("<svg")
    assert audit.contributions[0].row == 2
    assert [node.grad for node in formula.nodes if node.kind == "leaf"] == [3]

    environment = {"SLOPE_URL": serve.url}
    with slope(folder, "graph", job_id, "0", "2", environment=environment) as shown:
        shown.wait()
    assert (shown.process.returncode, shown.output) == (0, tree)
    for arguments, told in ((("0", "3"), "no step 3"), (("0", "2", "--output", "step.gif"), ".svg")):
        with slope(folder, "graph", job_id, *arguments, environment=environment) as refused:
            refused.wait()
        assert refused.process.returncode == 2
        assert told in refused.log
