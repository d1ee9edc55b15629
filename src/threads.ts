// Where the code of a thread is: beside this file, or where the build puts it inside the executable.

/** `module` is a path below src without its ending, one of the build's entry points. */
export function threadUrl(module: "store/wal-thread" | "redirect/record-thread"): string {
  const isCompiled = import.meta.url.includes("/$bunfs/");
  return new URL(isCompiled ? `./${module}.js` : `./${module}.ts`, import.meta.url).href;
}
