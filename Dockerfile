# The client in a container: `docker build -t harness .`, then
#   docker run --rm -v "$PWD/results:/home/nonroot/results" harness bench --url http://HOST:8000
# It measures servers that run elsewhere; engines are not in it. Dynamic and not static, because NVIDIA's library of GPU
# figures is loaded at run time, which a static program cannot do. scripts/check-container.sh runs these steps without Docker.
FROM rust:1.95-slim-bookworm AS build
# `kubectl cp` needs a tar in the container; this one needs nothing else.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends busybox-static \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --locked --release --bin harness \
 && install -D target/release/harness /out/usr/local/bin/harness \
 && install -D /bin/busybox /out/usr/local/bin/tar \
 && install -D "$(gcc -print-file-name=libgcc_s.so.1)" /out/usr/lib/libgcc_s.so.1

# glibc, root certificates, time zones: no shell, no package manager.
FROM gcr.io/distroless/base-nossl-debian12:nonroot
COPY --from=build /out/ /
WORKDIR /home/nonroot
USER 65532:65532
ENTRYPOINT ["harness"]
