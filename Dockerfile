# syntax=docker/dockerfile:1

# caudal and nothing else: no shell, no package manager, not root. What the image holds is laid out by
# deploy/container/rootfs.sh; why it is built like this stands in deploy/container/README.md.
#
#   docker build -t caudal .
#   docker run --read-only --cap-drop ALL -p 8080:8080 -v ./films:/films:ro caudal serve --media /films

ARG RUST=1.95.0
ARG DEBIAN=bookworm

FROM rust:${RUST}-${DEBIAN} AS toolchain
WORKDIR /src

# The bill of materials reads the lock file and needs no build: it is made beside it.
FROM toolchain AS sbom
RUN cargo install --locked --version 0.5.9 cargo-cyclonedx
COPY Cargo.toml Cargo.lock ./
COPY deploy/container/skeleton.sh deploy/container/sbom.sh deploy/container/
RUN deploy/container/skeleton.sh && deploy/container/sbom.sh . /sbom.json

# Every dependency, in a layer that only a change of Cargo.toml or Cargo.lock builds again.
FROM toolchain AS build
COPY Cargo.toml Cargo.lock ./
COPY deploy/container/skeleton.sh deploy/container/
RUN deploy/container/skeleton.sh && cargo build --release --locked
COPY src src
# What the skeleton left is newer than the source may be, and cargo goes by time.
RUN touch src/lib.rs src/main.rs && cargo build --release --locked

# What the image leaves out of the binary: docker build --target debug --output . .
FROM build AS tables
RUN objcopy --only-keep-debug target/release/caudal /caudal.debug

FROM scratch AS debug
COPY --from=tables /caudal.debug /

FROM build AS root
COPY LICENSE ./
COPY deploy/container/rootfs.sh deploy/container/
COPY --from=sbom /sbom.json /sbom.json
RUN deploy/container/rootfs.sh target/release/caudal /sbom.json /rootfs

FROM scratch
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=https://example.invalid/caudal
LABEL org.opencontainers.image.title="caudal" \
    org.opencontainers.image.description="An origin for video on demand: serves HLS and DASH between object storage and a CDN" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}"
COPY --from=root /rootfs /
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
# Asks the admin listener what a load balancer would: exit 0 is ready.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/usr/bin/caudal", "health"]
ENTRYPOINT ["/usr/bin/caudal"]
CMD ["serve", "--config", "/etc/caudal/caudal.toml"]
