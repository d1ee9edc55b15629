// argv -> exit code, nothing else.

import { runCommand } from "./cli/run.ts";

const stdout = Bun.stdout.writer();
const stderr = Bun.stderr.writer();

const exitCode = await runCommand(process.argv.slice(2), {
  out: (text) => void stdout.write(text),
  err: (text) => {
    void stderr.write(text);
    void stderr.flush();
  },
  flush: async () => void (await stdout.flush()),
  isInteractive: process.stdin.isTTY === true && process.stdout.isTTY === true,
  isErrTerminal: process.stderr.isTTY === true,
  environment: process.env,
});
// Exiting before a slow pipe has taken everything would cut the output short. A reader that has seen enough is no failure.
try {
  await stdout.flush();
  await stderr.flush();
} catch (error) {
  if ((error as { code?: string }).code !== "EPIPE") {
    process.stderr.write(`deadletter: the output was lost: ${String(error)}\n`);
    process.exit(exitCode || 1);
  }
}
process.exit(exitCode);
