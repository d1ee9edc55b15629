// Tells systemd how this process is doing (sd_notify(3)): ready, stopping, alive. Node.js has no datagrams over a path, so libc is
// called itself. Where nobody wants to know, or libc cannot be called, nothing happens: no process may fail for want of a supervisor.

import { dlopen, FFIType, ptr } from "bun:ffi";
import type { Clock } from "./clock.ts";

export interface ServiceManager {
  /** From now on it is taken to serve, and, where that is asked for, to be alive for as long as it says so. */
  ready(): void;
  stopping(): void;
}

const SILENT: ServiceManager = { ready: () => undefined, stopping: () => undefined };

/** By libc's names: glibc's, then musl's. */
const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
/** unix(7), socket(2) and send(2) on Linux. */
const [AF_UNIX, SOCK_DGRAM, SOCK_CLOEXEC, MSG_NOSIGNAL] = [1, 2, 0o2000000, 0x4000];
/** Of an address: two bytes of family, and this many of a path. */
const PATH_BYTES = 108;

type Environment = Readonly<Record<string, string | undefined>>;

export function serviceManager(environment: Environment, clock: Clock): ServiceManager {
  const send = openNotifySocket(environment.NOTIFY_SOCKET);
  if (!send) return SILENT;
  return {
    ready() {
      send(`READY=1\nMAINPID=${process.pid}`);
      const watchdogMs = watchdogOf(environment);
      // From the event loop: a process that no longer turns it is not alive, whatever its threads do.
      if (watchdogMs !== undefined) clock.every(watchdogMs / 2, () => send("WATCHDOG=1")).unref();
    },
    stopping: () => send("STOPPING=1"),
  };
}

/** sd_watchdog_enabled(3): undefined where nobody waits for this process. */
function watchdogOf({ WATCHDOG_USEC, WATCHDOG_PID }: Environment): number | undefined {
  const ms = Number(WATCHDOG_USEC) / 1000;
  const isOurs = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid;
  return isOurs && ms > 0 ? ms : undefined;
}

function openNotifySocket(path: string | undefined): ((text: string) => void) | undefined {
  const address = path === undefined ? undefined : addressOf(path);
  const libc = address && process.platform === "linux" ? openLibc() : undefined;
  if (!address || !libc) return undefined;
  const socket = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return undefined;
  return (text) => {
    const bytes = Buffer.from(text);
    libc.sendto(socket, ptr(bytes), bytes.length, MSG_NOSIGNAL, ptr(address), address.length);
  };
}

/** struct sockaddr_un; a path that begins with @ is an abstract one, without a file. */
function addressOf(path: string): Uint8Array | undefined {
  const name = Buffer.from(path);
  if (!/^[/@]/.test(path) || name.length >= PATH_BYTES) return undefined;
  if (path.startsWith("@")) name[0] = 0;
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  // A path ends with a zero; an abstract name is as long as it is.
  return Buffer.concat([family, name, ...(path.startsWith("@") ? [] : [Buffer.alloc(1)])]);
}

function openLibc() {
  for (const library of LIBRARIES) {
    try {
      return dlopen(library, {
        socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
        sendto: {
          args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.ptr, FFIType.u32],
          returns: FFIType.i64,
        },
      }).symbols;
    } catch {
      // Another libc, or none that can be called.
    }
  }
  return undefined;
}
