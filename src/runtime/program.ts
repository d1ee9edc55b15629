// Threads and processes of this program: where their code is (beside this file, or inside the executable), and whether one is alive.

import { readFileSync } from "node:fs";
import { hostname, setPriority } from "node:os";

const IS_COMPILED = import.meta.url.includes("/$bunfs/");

/** `module` is a path below src without its ending, one of the build's entry points. */
export function threadUrl(
  module: "store/wal-thread" | "store/read-thread" | "store/write-thread" | "clicks/record-thread",
): string {
  return new URL(IS_COMPILED ? `./${module}.js` : `../${module}.ts`, import.meta.url).href;
}

/** Of this thread: it runs where the others leave room (nice(2), as far as it goes half way). Nothing where that is not to be had. */
export function yieldToOthers(): void {
  // Elsewhere it would be of the whole process (setpriority(2), "C library/kernel differences").
  if (process.platform !== "linux") return;
  try {
    setPriority(10);
  } catch {
    // A filter of system calls forbids it.
  }
}

/** What starts another process of this program, before its words. */
export function ownCommand(): string[] {
  return IS_COMPILED ? [process.execPath] : [process.execPath, new URL("../main.ts", import.meta.url).pathname];
}

/** What the machine calls itself, for people. */
export const machineName: () => string = hostname;

/** This machine since it was started, or this container: what process ids are ids of. */
export function hostName(): string {
  return `${machineName()} ${bootId()}`;
}

/** proc(5): random(4) draws it as the system starts. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

/** Whether there is a process of this id, whoever owns it (kill(2)). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}
