// Writes what README shows, from a real run on a new store: two screens (docs/admin.svg, docs/dashboard.svg), and a few commands with
// what they print. Needs tmux: bun test/documents/screen.ts

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../support/harness.ts";
import { commandLine } from "../support/process.ts";
import { screenSvg } from "../support/screen-svg.ts";

const ROOT = join(import.meta.dir, "../..");
const README = join(ROOT, "README.md");
const WIDTH = 110;
const HEIGHT = 28;

const work = mkdtempSync(join(tmpdir(), "deadletter-screen-"));
const environment = { PATH: process.env.PATH ?? "", HOME: work, NO_COLOR: "1", PORT: "0" };
const server = Bun.spawn([...commandLine(), "serve"], {
  cwd: work,
  env: environment,
  stdin: "ignore",
  stdout: "ignore",
  stderr: "pipe",
});
let greeting = "";
let turn = 0;
let captured = 0;
void (async () => {
  for await (const chunk of server.stderr) greeting += new TextDecoder().decode(chunk);
})();
await until("it serves", () => / serves on (\S+) from /.test(greeting) && /dl_\S+/.test(greeting), 20_000);
const url = / serves on (\S+) from /.exec(greeting)?.[1] ?? "";
const key = /^ {2}(dl_\S+)$/m.exec(greeting)?.[1] ?? "";
const run = (words: readonly string[], as = key) =>
  Bun.spawnSync([...commandLine(), ...words], {
    cwd: work,
    env: { ...environment, DEADLETTER_SERVER: url, DEADLETTER_KEY: as },
  }).stdout.toString();

await seed();
await until("all is in the log", () => run(["log", "status", "--json"]).includes('"backlog": 0'), 20_000);
// More come and fewer, as they do.
const visitors = setInterval(() => {
  const busy = 0.5 + 3 * Math.sin(performance.now() / 7_000) ** 2;
  for (let visits = 0; visits < busy; visits++) void visit();
}, 30);
const shown: string[] = [];
for (const words of [["list"], ["events", "--code", "sale"], ["verify"]]) {
  const text = Bun.stripANSI(await capture(words, { waitMs: 2_000, width: 100 })).trimEnd();
  shown.push(`$ deadletter ${words.join(" ")}\n${text}`);
}
await Bun.write(
  join(ROOT, "docs/admin.svg"),
  screenSvg(await capture(["admin"], { waitMs: 3_000 }), {
    title: "deadletter admin",
    width: WIDTH,
    height: HEIGHT,
  }),
);
await Bun.write(
  join(ROOT, "docs/dashboard.svg"),
  screenSvg(await capture(["dashboard"], { waitMs: 40_000 }), {
    title: "deadletter dashboard",
    width: WIDTH,
    height: HEIGHT,
  }),
);
clearInterval(visitors);
server.kill();
await server.exited;
rmSync(work, { recursive: true, force: true });
writeReadme();
process.exit(0);

async function seed(): Promise<void> {
  run(["users", "create", "--username", "ada", "--email", "ada@example.com"]);
  run(["users", "create", "--username", "grace", "--email", "grace@example.com"]);
  const keyOf = (user: string) =>
    (JSON.parse(run(["keys", "create", user, "--role", "editor", "--name", "laptop", "--json"])) as { key: string })
      .key;
  const [ada, grace] = [keyOf("ada"), keyOf("grace")];
  run(
    ["shorten", "https://tickets.example/{1}", "--code", "ticket", "--forward", "template", "--tag", "support"],
    grace,
  );
  run(["shorten", "https://docs.example/handbook", "--code", "handbook", "--tag", "people"], ada);
  run(["shorten", "https://shop.example/black-friday", "--code", "friday", "--expires", "2d", "--tag", "promo"], grace);
  run(["shorten", "https://status.example/", "--code", "status-page"], ada);
  run(["shorten", "https://shop.example/spring", "--code", "sale", "--title", "Spring sale", "--tag", "promo"], ada);
  run(["update", "sale", "--url", "https://shop.example/summer", "--reason", "asked for by marketing"], grace);
  run(["delete", "sale", "--reason", "policy_cleanup"]);
  run(["restore", "sale", "--reason", "deleted by mistake"], ada);
  run(["delete", "handbook", "--reason", "duplicate"], grace);
  for (let visits = 0; visits < 300; visits++) await visit();
  await until("clicks are recorded", () => !run(["show", "sale"]).includes("clicks     0"), 20_000);
}

function visit(): Promise<unknown> {
  const code = ["sale", "sale", "friday", "sale", "status-page", "nothing"][turn++ % 6];
  return fetch(`${url}/${code}`, {
    redirect: "manual",
    headers: { "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/150 Safari/537.36" },
  }).catch(() => undefined);
}

/** The screen of a command after a while, with its colours; visitors come meanwhile. */
async function capture(
  words: readonly string[],
  { waitMs, width = WIDTH }: { readonly waitMs: number; readonly width?: number },
): Promise<string> {
  const set = words[0] === "verify" ? "" : `DEADLETTER_SERVER=${url} DEADLETTER_KEY=${key}`;
  const command = `env ${set} ${[...commandLine(), ...words].join(" ")}; exec cat`;
  const socket = join(work, `tmux-${captured++}`);
  const tmux = async (...more: string[]) => {
    const child = Bun.spawn(["tmux", "-S", socket, ...more], { cwd: work });
    return new Response(child.stdout).text();
  };
  await tmux("new-session", "-d", "-x", String(width), "-y", String(HEIGHT), command);
  await Bun.sleep(waitMs);
  const text = await tmux("capture-pane", "-e", "-p");
  await tmux("kill-server");
  return text;
}

function writeReadme(): void {
  const [start, end] = ["<!-- screen -->", "<!-- end of screen -->"];
  const readme = readFileSync(README, "utf8");
  const at = readme.indexOf(start) + start.length;
  const block = `\n\n![deadletter admin: links, and the one that is chosen with its history](docs/admin.svg)\n\n![deadletter dashboard: redirects, latency, errors, cache, log, newest events](docs/dashboard.svg)\n\n\`\`\`text\n${shown.join("\n\n")}\n\`\`\`\n\n`;
  void Bun.write(README, readme.slice(0, at) + block + readme.slice(readme.indexOf(end)));
}
