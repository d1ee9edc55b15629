// Where this program's own code is, for the threads and processes that it starts: beside this file, or inside the executable.

const IS_COMPILED = import.meta.url.includes("/$bunfs/");

/** `module` is a path below src without its ending, one of the build's entry points. */
export function threadUrl(module: "store/wal-thread" | "redirect/record-thread"): string {
  return new URL(IS_COMPILED ? `./${module}.js` : `./${module}.ts`, import.meta.url).href;
}

/** What starts another process of this program, before its words. */
export function ownCommand(): string[] {
  return IS_COMPILED ? [process.execPath] : [process.execPath, new URL("./main.ts", import.meta.url).pathname];
}
