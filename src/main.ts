// argv -> exit code, nothing else.

import { runCommand } from "./cli/run.ts";

const stdout = Bun.stdout.writer();
const stderr = Bun.stderr.writer();

/** Of text that was too long to be kept until flush(): it says by itself whether it was written. */
let written: Promise<unknown> = Promise.resolve();

const err = (text: string) => {
  void stderr.write(text);
  void stderr.flush();
};

const exitCode = await runCommand(process.argv.slice(2), {
  out: (text) => {
    const writing = stdout.write(text);
    if (typeof writing === "number") return;
    written = Promise.all([written, writing]);
    written.catch(() => {});
  },
  err,
  aside: err,
  flush: async () => {
    await written;
    await stdout.flush();
  },
  isInteractive: process.stdin.isTTY === true && process.stdout.isTTY === true,
  isErrTerminal: process.stderr.isTTY === true,
  width: process.stdout.isTTY === true ? process.stdout.columns : undefined,
  environment: process.env,
});
// Exiting before a slow pipe has taken everything would cut the output short. A reader that has seen enough is no failure.
try {
  await written;
  await stdout.flush();
  await stderr.flush();
} catch (error) {
  if ((error as { code?: string }).code !== "EPIPE") {
    process.stderr.write(`deadletter: the output was lost: ${String(error)}\n`);
    process.exit(exitCode || 1);
  }
}
process.exit(exitCode);
