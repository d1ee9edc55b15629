// The compose files: docker-compose takes each of them and their overlays together. No engine is here to start them.

import { afterAll, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FOLDER = mkdtempSync(join(tmpdir(), "deadletter-compose-"));
cpSync(join(import.meta.dir, "../../compose"), FOLDER, { recursive: true });
for (const name of ["postgres_password", "database_url", "log_key", "grafana_password"])
  writeFileSync(join(FOLDER, `${name}.txt`), "secret");
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

const OVERLAYS = readdirSync(FOLDER).filter((name) => name.endsWith(".yaml") && name !== "compose.yaml");
const COMBINATIONS = [[], ...OVERLAYS.map((name) => [name]), OVERLAYS];

test
  .skipIf(Bun.which("docker-compose") === null)
  .each(COMBINATIONS.map((names) => [names.join(" and ") || "nothing", names] as const))(
  "compose.yaml with %s",
  (_, names) => {
    const files = ["compose.yaml", ...names].flatMap((name) => ["--file", name]);
    const { exitCode, stdout, stderr } = Bun.spawnSync(["docker-compose", ...files, "config"], { cwd: FOLDER });
    expect([exitCode, stderr.toString()]).toEqual([0, ""]);
    const { services } = Bun.YAML.parse(stdout.toString()) as {
      services: Record<string, { image: string; restart: string; read_only?: boolean }>;
    };
    for (const [name, { image, restart, read_only }] of Object.entries(services)) {
      expect([name, restart]).toEqual([name, "unless-stopped"]);
      if (image === "deadletter") expect([name, read_only]).toEqual([name, true]);
    }
  },
);
