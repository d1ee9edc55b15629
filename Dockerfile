# Two stages: build the executable with the pinned Bun from npm, ship it alone on a base that has glibc.
# scratch and distroless/static lack glibc, which the executable links. The release workflow passes both bases with their digests.
ARG BUILD_IMAGE=node:20-bookworm-slim
ARG BASE_IMAGE=gcr.io/distroless/base-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY package.json bun.lock bunfig.toml ./
COPY build/patches build/patches
RUN npx --yes bun@1.4.5 install --frozen-lockfile --ignore-scripts
COPY . .
RUN npx --yes bun@1.4.5 build/build.ts && mkdir -p /out/data

FROM ${BASE_IMAGE}
COPY --from=build /src/dist/deadletter /usr/local/bin/deadletter
# Owned by the image's user, so that a fresh volume mounted here is writable. Nothing else need be.
COPY --from=build --chown=nonroot:nonroot /out/data /data
ENV DEADLETTER_DATA_DIR=/data HOST=0.0.0.0
USER nonroot
VOLUME /data
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/deadletter", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/deadletter"]
CMD ["serve"]
