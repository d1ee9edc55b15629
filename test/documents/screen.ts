// Writes the screen that README shows, from a real run on a new store: bun test/documents/screen.ts

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../support/harness.ts";
import { commandLine } from "../support/process.ts";

const README = join(import.meta.dir, "../../README.md");
const work = mkdtempSync(join(tmpdir(), "deadletter-screen-"));
const environment = { PATH: process.env.PATH ?? "", HOME: work, NO_COLOR: "1", PORT: "0" };
const server = Bun.spawn([...commandLine(), "serve"], {
  cwd: work,
  env: environment,
  stdin: "ignore",
  stdout: "ignore",
  stderr: "pipe",
});
const run = (words: readonly string[]) => {
  return Bun.spawnSync([...commandLine(), ...words], { cwd: work, env: environment }).stdout.toString();
};

await until("it serves", () => run(["healthcheck"]) !== "" && run(["list"]).startsWith("no links"), 20_000).catch(
  () => undefined,
);
run(["shorten", "https://shop.example/spring", "--code", "sale", "--title", "Spring sale"]);
run(["update", "sale", "--url", "https://shop.example/summer", "--reason", "asked for by marketing"]);
run(["delete", "sale", "--reason", "policy_cleanup"]);
run(["restore", "sale"]);
await until("all is in the log", () => run(["log", "status", "--json"]).includes('"backlog": 0'), 20_000);
const shown = [["events", "--code", "sale"], ["log", "status"], ["verify"]].map(
  (words) => `$ deadletter ${words.join(" ")}\n${run(words).trimEnd()}`,
);
server.kill();
await server.exited;
rmSync(work, { recursive: true, force: true });

const [start, end] = ["<!-- screen -->", "<!-- end of screen -->"];
const readme = readFileSync(README, "utf8");
const at = readme.indexOf(start) + start.length;
const block = `\n\n\`\`\`text\n${shown.join("\n\n")}\n\`\`\`\n\n`;
await Bun.write(README, readme.slice(0, at) + block + readme.slice(readme.indexOf(end)));
