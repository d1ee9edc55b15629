// Runs the tests and ends with the line `N passed, N failed`. Arguments go to `bun test`.

export {};

const child = Bun.spawn([process.execPath, "test", "--no-orphans", "--timeout=60000", ...process.argv.slice(2)], {
  stdin: "ignore",
  stdout: "inherit",
  stderr: "pipe",
});

const decoder = new TextDecoder();
let tail = "";
for await (const chunk of child.stderr) {
  process.stderr.write(chunk);
  tail = (tail + decoder.decode(chunk, { stream: true })).slice(-10_000);
}
const exitCode = await child.exited;

const plain = Bun.stripANSI(tail);
const passed = Number(/^\s*(\d+) pass$/m.exec(plain)?.[1] ?? 0);
const failed = Number(/^\s*(\d+) fail$/m.exec(plain)?.[1] ?? 0);
// A crash of the runner is a failure even when no test was counted as one.
const crashed = exitCode !== 0 && failed === 0 ? 1 : 0;
console.log(`${passed} passed, ${failed + crashed} failed`);
process.exit(exitCode === 0 && passed > 0 ? 0 : 1);
