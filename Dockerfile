# syntax=docker/dockerfile:1
# One image, two commands: `trueup service` and `trueup worker`.

FROM python:3.13-slim-trixie AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY trueup ./trueup
COPY service ./service
COPY workers ./workers
RUN python -m venv /opt/trueup \
    && /opt/trueup/bin/python -m pip install --no-cache-dir --disable-pip-version-check -c constraints.txt .

# helm, kustomize and jsonnet, at the versions and with the flags that the tests have them.
FROM build AS tools
COPY --from=golang:1.27.3-trixie /usr/local/go /usr/local/go
ENV PATH=/usr/local/go/bin:$PATH \
    TRUEUP_CACHE_DIR=/var/cache/trueup
RUN /opt/trueup/bin/python -c "import asyncio; from trueup.sandbox import ensure_tools; asyncio.run(ensure_tools())" \
    && install -D -t /opt/tools $TRUEUP_CACHE_DIR/tools-*/helm $TRUEUP_CACHE_DIR/tools-*/kustomize \
        $TRUEUP_CACHE_DIR/tools-*/jsonnet

FROM python:3.13-slim-trixie
# Versions follow the base image's release, which is pinned by its name.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --no-install-recommends --yes ca-certificates git openssh-client tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 65532 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin trueup \
    && install -d -o 65532 -g 65532 /var/lib/trueup
COPY --from=build /opt/trueup /opt/trueup
COPY --from=tools /opt/tools /usr/local/bin
ENV PATH=/opt/trueup/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TRUEUP_DATA_DIR=/var/lib/trueup
USER 65532:65532
VOLUME /var/lib/trueup
# tini collects what git leaves behind.
ENTRYPOINT ["tini", "--", "trueup"]
CMD ["--help"]
