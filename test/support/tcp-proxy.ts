// A TCP proxy between a client and a server, which can be slow, and can break what goes through it.

import { connect, createServer, type Socket } from "node:net";

export interface TcpProxy {
  readonly port: number;
  /** How long each piece is held back, either way. */
  delay(ms: number): void;
  /** Breaks all connections that are open (RST). */
  reset(): void;
  close(): void;
}

export function startTcpProxy(toPort: number): Promise<TcpProxy> {
  const open = new Set<Socket>();
  let delayMs = 0;
  const pipe = (from: Socket, to: Socket) => {
    open.add(from);
    from.on("error", () => to.destroy());
    from.on("close", () => {
      open.delete(from);
      to.destroy();
    });
    // Timers of one length run in their order, so the pieces keep theirs.
    from.on("data", (bytes) => {
      if (delayMs === 0) to.write(bytes);
      else setTimeout(() => to.writable && to.write(bytes), delayMs);
    });
  };
  const server = createServer((client) => {
    const upstream = connect(toPort, "127.0.0.1");
    pipe(client, upstream);
    pipe(upstream, client);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve({
        port: typeof address === "object" && address ? address.port : 0,
        delay(ms) {
          delayMs = ms;
        },
        reset() {
          for (const socket of open) socket.resetAndDestroy();
        },
        close() {
          for (const socket of open) socket.destroy();
          server.close();
        },
      });
    });
  });
}
