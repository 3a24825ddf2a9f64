# One image for the API, the worker and the migration; docker-compose.yml tells them apart by command.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/slope
# torch first: it is by far the largest and changes least. TORCH_INDEX may name an index of CPU-only builds.
ARG TORCH_INDEX=""
COPY constraints.txt ./
RUN /opt/slope/bin/pip install --constraint constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch
# Then what the package needs, so that a change of the code reinstalls nothing but the code.
COPY pyproject.toml ./
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print(*project['dependencies'], *project['optional-dependencies']['server'], \
*project['optional-dependencies']['pictures'], *project['optional-dependencies']['export'], sep='\n')" >requirements.txt \
 && /opt/slope/bin/pip install --constraint constraints.txt --requirement requirements.txt
COPY README.md LICENSE hatch_build.py ./
COPY slope slope
COPY service service
COPY worker worker
COPY migrations migrations
# With CI set, an image without the dashboard is an error: its packages come from npm.
ARG CI=""
RUN /opt/slope/bin/pip install --no-deps '.[server,pictures,export]' && /opt/slope/bin/pip check
# Of what is in the image: `docker run --rm slope-regression cat /opt/slope/sbom.cdx.json`.
RUN python -m venv /opt/sbom && /opt/sbom/bin/pip install 'cyclonedx-bom==7.5.0' \
 && /opt/sbom/bin/cyclonedx-py environment --output-file /opt/slope/sbom.cdx.json /opt/slope/bin/python
# What no process of the service reads: headers, libraries to link with, tests of others, and pip.
RUN cd /opt/slope/lib/python3.11/site-packages && rm -rf torch/include torch/share pyarrow/include \
 && find . -type d -name tests -path './*/*' ! -path './torch/*' -prune -exec rm -rf {} + \
 && find . -name '*.a' -delete && /opt/slope/bin/pip uninstall --yes --quiet pip

FROM python:3.11-slim-bookworm
# A font for the pictures of graphs; Graphviz itself comes with a wheel.
RUN apt-get update && apt-get install --yes --no-install-recommends fontconfig-config fonts-dejavu-core \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 slope \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin slope \
 && install --directory --mode 0700 --owner 10001 --group 10001 /var/lib/slope /var/lib/slope-kernels \
 && install --directory --mode 0755 --owner 10001 --group 10001 \
    /var/lib/slope-secrets/slope /var/lib/slope-secrets/postgres /var/lib/slope-secrets/redis \
    /var/lib/slope-secrets/prometheus /var/lib/slope-secrets/grafana
COPY --from=build /opt/slope /opt/slope
ENV PATH=/opt/slope/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 NUMBA_CACHE_DIR=/var/lib/slope-kernels
USER 10001:10001
# The loops of trainings are compiled here, and again at the first start on a machine with another processor.
RUN python -P -c "from slope.engines.rehearsal import load_kernels; load_kernels()"
EXPOSE 8000
CMD ["slope", "api", "--host", "0.0.0.0"]
