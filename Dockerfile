# Two images from one file: `edge` (gateway, scheduler, values worker: no torch) and `worker` (the detector).
# Needs BuildKit. Layers from the bottom: Python, torch, the other dependencies, our own code: a change of code
# rebuilds the last one alone. The code is installed as a wheel, so the images hold no sources, tests or pip cache.
#
# Build arguments:
#   PYTHON_IMAGE     the base
#   PIP_INDEX_URL    another index for everything; empty: pip's own default
#   TORCH_INDEX_URL  a further index for torch and torchvision alone. One that holds builds for CPUs makes the worker's
#                    image several GB smaller: the pinned version matches, and pip prefers its local version (`+cpu`).
# They stay readable in the images' history: no passwords in them.

ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
# The environment has no pip of its own; the spool belongs to the user, and so will the volume that lies over it.
RUN groupadd --gid 10001 tenfold \
 && useradd --uid 10001 --gid tenfold --no-create-home --home-dir /tmp --shell /usr/sbin/nologin tenfold \
 && install -d -o tenfold -g tenfold /var/spool/tenfold \
 && python3 -m venv --without-pip /opt/venv

# The names of the dependencies, taken out of pyproject.toml: what else changes there does not reach the layers below,
# since a copied file is compared by its content. The same for the pins of torch and of what it brings.
FROM base AS requirements
WORKDIR /requirements
COPY pyproject.toml constraints.txt ./
RUN ["python3", "-c", "\
import pathlib, re, tomllib\n\
project = tomllib.loads(pathlib.Path('pyproject.toml').read_text())['project']\n\
extras = project['optional-dependencies']\n\
torch = [line for line in extras['worker'] if line.startswith('torch')]\n\
brought = r'(torch|triton|nvidia|cuda|numpy|pillow|sympy|mpmath|networkx|jinja|markupsafe|filelock|fsspec|typing_ext)'\n\
pins = pathlib.Path('constraints.txt').read_text().splitlines()\n\
lists = {'torch': torch, 'worker': project['dependencies'] + extras['worker'] + extras['otel'],\n\
         'edge': project['dependencies'] + extras['gateway'] + extras['otel'],\n\
         'torch-pins': [pin for pin in pins if re.match(brought, pin, re.IGNORECASE)]}\n\
for name, lines in lists.items():\n\
    pathlib.Path(name + '.txt').write_text('\\n'.join(lines) + '\\n')\n\
"]

FROM base AS wheel
ARG PIP_INDEX_URL=""
WORKDIR /src
COPY . .
RUN --mount=type=cache,id=tenfold-pip,target=/root/.cache/pip \
    pip wheel --quiet --no-deps --wheel-dir /wheel .

FROM base AS edge
ARG PIP_INDEX_URL=""
LABEL org.opencontainers.image.title="Tenfold edge" \
      org.opencontainers.image.description="Gateway, scheduler and values worker: no torch" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY constraints.txt /requirements/
COPY --from=requirements /requirements/edge.txt /requirements/
RUN --mount=type=cache,id=tenfold-pip,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install -c /requirements/constraints.txt \
        -r /requirements/edge.txt
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip --python /opt/venv/bin/python install --quiet --no-index --no-deps --no-cache-dir /wheel/*.whl
USER tenfold
EXPOSE 8000
ENTRYPOINT ["tenfold"]
CMD ["gateway"]

FROM base AS worker
ARG PIP_INDEX_URL=""
ARG TORCH_INDEX_URL=""
LABEL org.opencontainers.image.title="Tenfold worker" \
      org.opencontainers.image.description="Inference worker: torch and the detectors" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=requirements /requirements/torch.txt /requirements/torch-pins.txt /requirements/
RUN --mount=type=cache,id=tenfold-pip,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install -c /requirements/torch-pins.txt \
        ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} -r /requirements/torch.txt
COPY constraints.txt /requirements/
COPY --from=requirements /requirements/worker.txt /requirements/
RUN --mount=type=cache,id=tenfold-pip,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install -c /requirements/constraints.txt \
        -r /requirements/worker.txt
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip --python /opt/venv/bin/python install --quiet --no-index --no-deps --no-cache-dir /wheel/*.whl
USER tenfold
ENTRYPOINT ["tenfold"]
CMD ["worker"]
