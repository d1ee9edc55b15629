// What systemd is told: that the process serves, lives, and stops. A real datagram socket hears it.

import { dlopen, FFIType, ptr } from "bun:ffi";
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/runtime/clock.ts";
import { serviceManager } from "../../src/runtime/service-manager.ts";
import { newEnvironment, until } from "../support/harness.ts";
import { startServe } from "../support/process.ts";

const isLinux = process.platform === "linux";

/** A datagram socket at a path, or in the abstract namespace: unix(7). */
function listen(path: string) {
  const libc = dlopen("libc.so.6", {
    socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    bind: { args: [FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
    recv: { args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i64 },
    close: { args: [FFIType.i32], returns: FFIType.i32 },
  }).symbols;
  const socket = libc.socket(1, 2, 0);
  const name = Buffer.from(path);
  if (path.startsWith("@")) name[0] = 0;
  const address = Buffer.concat([Buffer.of(1, 0), name, ...(path.startsWith("@") ? [] : [Buffer.alloc(1)])]);
  if (libc.bind(socket, ptr(address), address.length) !== 0) throw new Error(`cannot bind ${path}`);
  const buffer = Buffer.alloc(200);
  const heard: string[] = [];
  return {
    /** All that was heard so far; MSG_DONTWAIT. */
    hear(): readonly string[] {
      for (;;) {
        const bytes = Number(libc.recv(socket, ptr(buffer), buffer.length, 0x40));
        if (bytes <= 0) return heard;
        heard.push(buffer.subarray(0, bytes).toString());
      }
    },
    close: () => libc.close(socket),
  };
}

test.skipIf(!isLinux)("serve says that it is ready, that it lives, and that it stops", async () => {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-notify-"));
  const path = join(folder, "socket");
  const listener = listen(path);
  const environment = newEnvironment(undefined, { NOTIFY_SOCKET: path, WATCHDOG_USEC: "200000" });
  const served = await startServe(environment);
  await until("it is ready", () => listener.hear().includes(`READY=1\nMAINPID=${served.child.pid}`));
  await until("it lives", () => listener.hear().filter((text) => text === "WATCHDOG=1").length > 2);
  served.child.kill("SIGTERM");
  await until("it stops", () => listener.hear().includes("STOPPING=1"));
  expect(await served.child.exited).toBe(0);
  listener.close();
  rmSync(folder, { recursive: true, force: true });
  rmSync(environment.DEADLETTER_DATA_DIR, { recursive: true, force: true });
});

test.skipIf(!isLinux)("also over an abstract address, and without a watchdog that is another process's", () => {
  const name = `@deadletter-test-${process.pid}`;
  const listener = listen(name);
  const manager = serviceManager({ NOTIFY_SOCKET: name, WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" }, systemClock);
  manager.ready();
  manager.stopping();
  expect(listener.hear()).toEqual([`READY=1\nMAINPID=${process.pid}`, "STOPPING=1"]);
  listener.close();
});

test("nobody is told anything where there is no supervisor, or its address is none", () => {
  for (const NOTIFY_SOCKET of [undefined, "", "relative", `/${"x".repeat(200)}`, "/nowhere/at/all"]) {
    const manager = serviceManager({ NOTIFY_SOCKET }, systemClock);
    manager.ready();
    manager.stopping();
  }
});
