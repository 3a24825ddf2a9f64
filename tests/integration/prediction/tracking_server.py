"""A real MLflow tracking server of what mlflow-skinny has of it: `python tracking_server.py FOLDER` prints its port.

The whole package mlflow, which `mlflow server` asks for, brings matplotlib, docker and others besides.
"""

import os
import sys
from pathlib import Path

PREFIX = "_MLFLOW_SERVER_"


def main(folder: Path) -> None:
    store = f"sqlite:///{folder / 'mlflow.db'}"
    settings = {"FILE_STORE": store, "REGISTRY_STORE": store, "ARTIFACT_DESTINATION": str(folder / "artifacts")}
    settings |= {"ARTIFACT_ROOT": "mlflow-artifacts:/", "SERVE_ARTIFACTS": "true"}
    os.environ |= {PREFIX + name: value for name, value in settings.items()}

    from mlflow.server import app  # reads the environment
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
