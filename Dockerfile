# One Kindred node as an image.
#
#   docker build -t kindred .
#   docker run -p 7001:7001 -v kindred-data:/data kindred --requirepass <password>
#
# What follows the image's name goes to "kindred server". Without a password protected mode refuses everybody from
# outside the container. A member of a cluster gets its configuration file as a volume (--config /etc/kindred/node.yaml; see
# cluster-config/three-nodes) and needs a cluster-secret; its members' addresses are those of the containers.

FROM node:20-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY bin ./bin
COPY src ./src
RUN node bin/build.js && npm prune --omit=dev --no-audit --no-fund

FROM node:20-bookworm-slim
ENV NODE_ENV=production
WORKDIR /kindred
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist/src ./dist/src
COPY --from=build /build/bin/kindred /build/bin/kindred.js ./bin/
COPY LICENSE ./
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
# Clients, cluster clients, and the other nodes of a cluster.
EXPOSE 7001 8001 17001
# An orderly stop: requests under way are answered and the log is synced before the process ends.
STOPSIGNAL SIGTERM
# A start may have to read a long log first; a node that asks for a password counts as healthy.
HEALTHCHECK --interval=10s --timeout=6s --start-period=120s --retries=3 CMD ["bin/kindred", "status"]
ENTRYPOINT ["bin/kindred", "server", "--bind", "0.0.0.0", "--dir", "/data"]
