// The proxies of packaging/proxies, as they stand there but for names, ports and certificates.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./harness.ts";

export const PROXIES = ["haproxy", "nginx", "caddy"] as const;
export type ProxyName = (typeof PROXIES)[number];

const FOLDER = join(import.meta.dir, "../../packaging/proxies");
const PATH = `${process.env.PATH}:/usr/sbin`;

export function hasProxy(name: ProxyName): boolean {
  return Bun.which(name, { PATH }) !== null;
}

export interface RunningProxy {
  readonly url: string;
  close(): Promise<void>;
}

/** In front of replicas at the two ports. */
export async function startProxy(
  name: ProxyName,
  port: number,
  [one, two]: readonly [number, number],
): Promise<RunningProxy> {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-proxy-"));
  const replicas = (text: string) =>
    text.replaceAll("127.0.0.1:5000", `127.0.0.1:${one}`).replaceAll("127.0.0.1:5001", `127.0.0.1:${two}`);
  const read = (file: string) => replicas(readFileSync(join(FOLDER, file), "utf8"));
  const write = (file: string, text: string) => {
    writeFileSync(join(folder, file), text);
    return join(folder, file);
  };
  const command = {
    haproxy: () => [
      "haproxy",
      "-db",
      "-f",
      write("haproxy.cfg", read("haproxy.cfg").replace(/bind :443 .*/, `bind 127.0.0.1:${port}`)),
    ],
    nginx: () => [
      "nginx",
      "-p",
      folder,
      "-c",
      write(
        "nginx.conf",
        `daemon off; pid ${folder}/pid; error_log ${folder}/error.log; events {} http { access_log off; ${[
          "client_body",
          "proxy",
          "fastcgi",
          "uwsgi",
          "scgi",
        ]
          .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
          .join(" ")}\n${read("nginx.conf")
          .replace(/listen 443 .*/, `listen 127.0.0.1:${port};`)
          .replace(/\s*ssl_certificate.*/g, "")}\n}`,
      ),
    ],
    caddy: () => [
      "caddy",
      "run",
      "--adapter",
      "caddyfile",
      "--config",
      write(
        "Caddyfile",
        `{\n\tadmin off\n\tauto_https off\n}\n${read("Caddyfile").replace("go.example.com {", `http://127.0.0.1:${port} {`)}`,
      ),
    ],
  }[name]();
  const child = Bun.spawn(command, {
    env: { ...process.env, PATH, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  const url = `http://127.0.0.1:${port}`;
  const answers = async () => (await fetch(`${url}/livez`).catch(() => undefined))?.status === 200;
  await until(`${name} answers`, answers, 20_000);
  return {
    url,
    async close() {
      child.kill();
      await child.exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
