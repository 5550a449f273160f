# The image is Node and one file. `make image` builds it, and so does `docker build .`; docs/operations.md says how it runs.
ARG BUILD_BASE=docker.io/library/node:24-bookworm-slim
ARG BASE=gcr.io/distroless/nodejs24-debian12:nonroot

# The bundle is the same for every processor, so the builder's own makes it: no emulation.
FROM --platform=${BUILDPLATFORM} ${BUILD_BASE} AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts/build.ts scripts/
COPY src src
RUN node scripts/build.ts

FROM ${BASE}
LABEL org.opencontainers.image.title="registryhub" \
      org.opencontainers.image.description="Keeps Istio ServiceEntries in sync with the providers in ZooKeeper, Nacos, Eureka and Consul" \
      org.opencontainers.image.licenses="Apache-2.0"
# Where node is: in distroless images, in those of Docker, in Debian.
ENV PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin \
    NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    UV_THREADPOOL_SIZE=16 \
    REGISTRYHUB_HTTP_BIND_ADDRESS=:8080
COPY --from=build /src/dist/ /app/
# By number: a Pod with runAsNonRoot cannot look up a name.
USER 65532:65532
EXPOSE 8080
# docs/performance.md says what these, MALLOC_ARENA_MAX and UV_THREADPOOL_SIZE are for.
ENTRYPOINT ["node", "--max-semi-space-size=8", "--heap-growing-percent=40", "/app/registryhub.mjs"]
