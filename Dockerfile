# An image that builds worlds on the CPU: every dependency by hash, kernels compiled, an ordinary user.
#   docker build --tag closedworld .
#   docker run --rm --user "$(id -u):0" --volume "$PWD/runs:/worlds/runs" closedworld run --preset demo
FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/closedworld
ENV PATH=/opt/closedworld/bin:$PATH
COPY requirements.lock /src/
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes --requirement /src/requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE /src/
COPY contracts /src/contracts
COPY config /src/config
COPY cpu_fallback /src/cpu_fallback
COPY gpu_kernels /src/gpu_kernels
COPY sim /src/sim
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation /src

FROM python:3.11-slim-bookworm
COPY --from=build /opt/closedworld /opt/closedworld
ENV PATH=/opt/closedworld/bin:$PATH HOME=/home/closedworld
RUN useradd --create-home --uid 1000 --gid 0 closedworld && mkdir -p /worlds/runs && chown -R closedworld:0 /worlds && chmod -R g+w /worlds
USER 1000
# What numba compiled is loaded only from a directory that its user alone can write to: it is compiled by that user. Others compile anew.
RUN python -m sim.backends.compiled
WORKDIR /worlds
ENTRYPOINT ["closedworld"]
CMD ["--help"]
