// Threads and processes of this program: where their code is (beside this file, or inside the executable), and whether one is alive.

const IS_COMPILED = import.meta.url.includes("/$bunfs/");

/** `module` is a path below src without its ending, one of the build's entry points. */
export function threadUrl(module: "store/wal-thread" | "store/read-thread" | "clicks/record-thread"): string {
  return new URL(IS_COMPILED ? `./${module}.js` : `../${module}.ts`, import.meta.url).href;
}

/** What starts another process of this program, before its words. */
export function ownCommand(): string[] {
  return IS_COMPILED ? [process.execPath] : [process.execPath, new URL("../main.ts", import.meta.url).pathname];
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
