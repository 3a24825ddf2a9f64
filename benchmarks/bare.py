"""`python -m benchmarks.bare --fd N FILE`: a FastAPI application of two plain routes, served as the API is."""

import argparse
import socket
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from slope.answers.jobs import JobView


def create_app(job: JobView) -> FastAPI:
    app = FastAPI()

    @app.get("/small")
    def small() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/job")
    def finished() -> JobView:
        return job

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("job", type=Path, help="file with the answer of /job")
    arguments = parser.parse_args()
    config = uvicorn.Config(
        create_app(JobView.model_validate_json(arguments.job.read_text())),
        log_config=None,
        access_log=False,
        limit_concurrency=1000,
        timeout_keep_alive=30,
        server_header=False,
    )
    uvicorn.Server(config).run([socket.socket(fileno=arguments.fd)])


if __name__ == "__main__":
    main()
