# Four images: docker build --target init, --target webhook, --target controller and --target kiss. Each contains only one
# static program, which includes the root certificates. To use programs that are already built, in DIR/bin/static:
#   buildah --isolation chroot --storage-driver vfs build --build-context build=DIR --target init .

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake clang && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN ./build-static dist-small /bin/static kees-init && ./build-static dist /bin/static kees-webhook \
    && ./build-static dist /bin/static kees-controller \
    && KEES_BINARY=kiss-server ./build-static dist /bin/static kees-kiss --bin kiss-server --no-default-features --features server

FROM scratch AS init
COPY --from=build /bin/static/kees-init /kees-init
USER 65532:65532
ENTRYPOINT ["/kees-init"]
LABEL org.opencontainers.image.title="kees-init" \
      org.opencontainers.image.description="Reads a pod's annotations, creates or fetches its secrets, writes them into its memory volume" \
      org.opencontainers.image.source="https://github.com/kees-secrets/kees" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM scratch AS webhook
COPY --from=build /bin/static/kees-webhook /kees-webhook
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["/kees-webhook"]
LABEL org.opencontainers.image.title="kees-webhook" \
      org.opencontainers.image.description="The mutating admission webhook of kees" \
      org.opencontainers.image.source="https://github.com/kees-secrets/kees" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM scratch AS controller
COPY --from=build /bin/static/kees-controller /kees-controller
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/kees-controller"]
LABEL org.opencontainers.image.title="kees-controller" \
      org.opencontainers.image.description="Creates the secrets of annotated pods, so that the pods themselves only read" \
      org.opencontainers.image.source="https://github.com/kees-secrets/kees" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM scratch AS kiss
COPY --from=build /bin/static/kiss-server /kiss-server
USER 65532:65532
EXPOSE 10000 8080
ENTRYPOINT ["/kiss-server"]
LABEL org.opencontainers.image.title="kees-kiss" \
      org.opencontainers.image.description="The gRPC service with which developers manage the secrets of their namespaces" \
      org.opencontainers.image.source="https://github.com/kees-secrets/kees" \
      org.opencontainers.image.licenses="Apache-2.0"
