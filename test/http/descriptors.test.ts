// A process whose file descriptors strangers take: it goes on, does not spin, counts clicks, and answers again afterwards.

import { expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { newEnvironment, until } from "../support/harness.ts";
import { commandLine, startServe } from "../support/process.ts";

const OPEN_FILES = 200;

/** CPU time of a process, in ms (proc(5): utime and stime, in ticks of 10 ms). */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function open(port: number, text: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(text);
      resolve(socket);
    });
    socket.on("error", () => resolve(undefined));
    setTimeout(() => resolve(undefined), 2_000).unref();
  });
}

test.skipIf(process.platform !== "linux").each(["", "GET /hot HTTP/1.1\r\nHost: x\r\nX-Slow: "])(
  `%j on more connections than ${OPEN_FILES} open files allow`,
  async (text) => {
    const environment = newEnvironment(undefined, { LOG_LEVEL: "warn" });
    const limited = ["sh", "-c", `ulimit -n ${OPEN_FILES}; exec "$@"`, "sh", ...commandLine()];
    const served = await startServe(environment, [], limited);
    const port = Number(new URL(served.url).port);
    const call = (method: string, path: string, body?: object) =>
      fetch(served.url + path, {
        method,
        redirect: "manual",
        headers: {
          authorization: `Bearer ${served.key}`,
          "content-type": "application/json",
          "user-agent": "Mozilla/5.0 (X11; Linux x86_64)",
          connection: "close",
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
    await call("POST", "/urls", { original_url: "https://example.com/", short_code: "hot" });

    const early = await open(port, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    const sockets: (Socket | undefined)[] = [early];
    for (let round = 0; round < 4; round++)
      sockets.push(...(await Promise.all(Array.from({ length: OPEN_FILES / 2 }, () => open(port, text)))));
    // The first click of all comes now, when nothing is left to start a thread with.
    early?.write("GET /hot HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\r\n");
    const [beforeMs, sinceMs] = [cpuMs(served.child.pid), performance.now()];
    await Bun.sleep(1_500);
    const share = (cpuMs(served.child.pid) - beforeMs) / (performance.now() - sinceMs);
    expect(served.child.exitCode).toBeNull();
    expect(share).toBeLessThan(0.5);

    for (const socket of sockets) socket?.destroy();
    await until(
      "it answers again",
      async () => (await call("GET", "/hot").catch(() => undefined))?.status === 302,
      20_000,
    );
    await until("the click is recorded", async () => {
      const link = (await (await call("GET", "/urls/hot")).json()) as { clicks: number };
      return link.clicks > 0;
    });
    expect(await (await call("GET", "/metrics")).text()).toMatch(
      /^deadletter_connection_guard_total\{act="closed_idle"\} [1-9]/m,
    );
    served.child.kill("SIGTERM");
    expect(await served.child.exited).toBe(0);
    rmSync(environment.DEADLETTER_DATA_DIR, { recursive: true, force: true });
  },
  60_000,
);
