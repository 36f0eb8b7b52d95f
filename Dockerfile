# The client in a container: `docker build -t harness .`, then, with the results yours and not another user's,
#   mkdir -p results
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD/results:/work/results" harness bench --url http://HOST:8000
# (a server of this machine: --network host, and http://127.0.0.1:8000).
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
 && install -D "$(gcc -print-file-name=libgcc_s.so.1)" /out/usr/lib/libgcc_s.so.1 \
 && install -d -m 1777 /out/work

# glibc, root certificates, time zones: no shell, no package manager.
FROM gcr.io/distroless/base-nossl-debian12:nonroot
COPY --from=build /out/ /
# Whatever --user says: the home of nonroot is nobody else's.
ENV HOME=/tmp
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["harness"]
