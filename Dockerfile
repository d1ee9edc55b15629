# Two stages: build the executable with the pinned Bun from npm, ship it alone on a base that has glibc.
# scratch and distroless/static lack glibc, which the executable links.
FROM node:20-bookworm-slim AS build
WORKDIR /src
COPY package.json bun.lock bunfig.toml ./
COPY build/patches build/patches
RUN npx --yes bun@1.4.5 install --frozen-lockfile --ignore-scripts
COPY . .
RUN npx --yes bun@1.4.5 build/build.ts && mkdir -p /out/data

FROM gcr.io/distroless/base-debian12:nonroot
COPY --from=build /src/dist/deadletter /usr/local/bin/deadletter
# Owned by the image's user, so that a fresh volume mounted here is writable.
COPY --from=build --chown=nonroot:nonroot /out/data /data
ENV DEADLETTER_DATA_DIR=/data HOST=0.0.0.0
VOLUME /data
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/deadletter", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/deadletter"]
CMD ["serve"]
