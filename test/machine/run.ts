// Runs the tests that need more than npm brings: Debian's packages, which it installs where it may, and mounts. What cannot be
// had here is named and left out. Words are for `bun test`, files of other such tests first: bun run faults. Ends with the line
// `N passed, N failed`.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** By program: the package that brings it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  haproxy: "haproxy",
  pg_basebackup: "postgresql-15",
  promtool: "prometheus",
  amtool: "prometheus-alertmanager",
  pgbouncer: "pgbouncer",
  jq: "jq",
  patroni: "patroni",
  etcd: "etcd-server",
  nginx: "nginx-light",
  caddy: "caddy",
  debootstrap: "debootstrap",
  "docker-compose": "docker-compose",
  chromium: "chromium",
  bash: "bash",
  zsh: "zsh",
  fish: "fish",
  man: "man-db",
  mandoc: "mandoc",
  tmux: "tmux",
};

const PATH = `${process.env.PATH}:/usr/sbin:/sbin:/usr/lib/postgresql/15/bin`;
const NO_CLUSTER = "/etc/postgresql-common/createcluster.conf";
const isMissing = (program: string) => Bun.which(program, { PATH }) === null;
const isRoot = process.getuid?.() === 0;

function install(packages: readonly string[]): void {
  if (packages.length === 0 || !isRoot || isMissing("apt-get")) return;
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const run = (...words: string[]) =>
    Bun.spawnSync(["apt-get", ...words], { env: environment, stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  // The package would start a server of its own.
  mkdirSync("/etc/postgresql-common", { recursive: true });
  if (!existsSync(NO_CLUSTER)) writeFileSync(NO_CLUSTER, "create_main_cluster = false\n");
  run("update");
  run("install", "-y", "--no-install-recommends", ...packages);
}

install(
  Object.entries(PROGRAMS)
    .filter(([program]) => isMissing(program))
    .map(([, name]) => name),
);
for (const [program, name] of Object.entries(PROGRAMS))
  if (isMissing(program)) console.log(`skipped: tests of ${program} (apt-get install ${name})`);
const canMount = isRoot && Bun.spawnSync(["unshare", "-m", "true"], { stderr: "ignore" }).exitCode === 0;
if (!canMount) console.log("skipped: tests that mount a file system (they need root and unshare)");

const own = readdirSync(import.meta.dir).filter((name) => name.endsWith(".machine.ts"));
const named = process.argv.slice(2);
const files = named.length > 0 ? named : own.map((name) => `./test/machine/${name}`);
const child = Bun.spawn([process.execPath, join(import.meta.dir, "../run.ts"), ...files], {
  cwd: join(import.meta.dir, "../.."),
  env: { ...process.env, PATH, DEADLETTER_TEST_MOUNTS: canMount ? "true" : "false" },
  stdin: "ignore",
  stdout: "inherit",
  stderr: "inherit",
});
process.exit(await child.exited);
