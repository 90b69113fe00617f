# The gateway and its worker, with everything else the program can do.
#   docker build -t robot-control-backend .
#   docker run -d -p 8000:8000 --name robot-backend robot-control-backend
#   docker logs -f robot-backend
# Volumes, the real arm, what a container changes about the sandbox: docs/remote.md

FROM node:24-bookworm-slim AS build
WORKDIR /opt/myelin
# What packages are needed changes less often than the program: this layer is kept.
COPY package.json package-lock.json .npmrc ./
RUN ONNXRUNTIME_NODE_INSTALL=skip npm ci --include=dev --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY console console
RUN npx tsc -p tsconfig.build.json && npx vite build console && chmod 755 dist/cli/main.js \
  && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
# Python runs projects, bubblewrap confines them, tini collects what they leave behind.
RUN apt-get update \
  && apt-get install -y --no-install-recommends bubblewrap python3 python3-venv tini \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/myelin
COPY package.json README.md README.zh-CN.md SECURITY.md ./
COPY configs configs
COPY cpp cpp
COPY deploy deploy
COPY docs docs
COPY examples examples
COPY models models
COPY projects projects
COPY python python
COPY scripts scripts
COPY --from=build /opt/myelin/node_modules node_modules
COPY --from=build /opt/myelin/dist dist
RUN ln -s /opt/myelin/dist/cli/main.js /usr/local/bin/myelin \
  && install -d -o node -g node /var/lib/myelin

# Inside, it listens everywhere: what reaches it is decided by the ports that are published. A token is always needed.
# `container` says that output is kept in a log: no token is shown there.
ENV NODE_ENV=production \
  container=docker \
  MYELIN_STORAGE=/var/lib/myelin \
  MYELIN_WEBSOCKET_HOST=0.0.0.0 \
  MYELIN_WEBSOCKET_PORT=8000 \
  MYELIN_TLS_INSECURE=true
USER node
WORKDIR /var/lib/myelin
VOLUME /var/lib/myelin
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["myelin", "health"]
ENTRYPOINT ["tini", "-s", "--", "myelin"]
CMD ["gateway"]
