// Makes dist/deadletter_VERSION_ARCH.deb of the executable, the unit, the manual page, completions and the documents.
//
//   bun run package [--arch amd64,arm64]
//
// It needs dpkg-deb (any Debian). The other architecture's Bun comes from npm (@oven/bun-linux-*).

import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import packageJson from "../package.json" with { type: "json" };
import { SECTIONS } from "../src/cli/commands.ts";
import { SCRIPTS } from "../src/cli/completions.ts";
import { manualPages } from "./man.ts";

const ROOT = join(import.meta.dir, "..");
/** Debian's name of each architecture, and npm's of its Bun. */
const ARCHITECTURES = { amd64: "x64", arm64: "aarch64" } as const;
type Architecture = keyof typeof ARCHITECTURES;
const OWN: Architecture = process.arch === "arm64" ? "arm64" : "amd64";

const { values } = parseArgs({ options: { arch: { type: "string", default: OWN } } });
if (Bun.which("dpkg-deb") === null) throw new Error("dpkg-deb is missing: apt-get install dpkg");
for (const name of values.arch.split(",")) {
  if (!(name in ARCHITECTURES))
    throw new Error(`--arch: ${name} is not one of ${Object.keys(ARCHITECTURES).join(", ")}`);
  makePackage(name as Architecture);
}

function makePackage(architecture: Architecture): void {
  const tree = mkdtempSync(join(tmpdir(), "deadletter-package-"));
  try {
    const put = (path: string, text: string | Uint8Array, mode = 0o644) => {
      mkdirSync(join(tree, path, ".."), { recursive: true });
      writeFileSync(join(tree, path), text, { mode });
    };
    const read = (path: string) => readFileSync(join(ROOT, path));
    run([process.execPath, "build/build.ts", "--outfile", join(tree, "deadletter"), ...crossBuild(architecture, tree)]);
    put("usr/bin/deadletter", readFileSync(join(tree, "deadletter")), 0o755);
    for (const name of readdirSync(tree))
      if (name.startsWith("deadletter") || name === "npm") rmSync(join(tree, name), { recursive: true });
    for (const unit of ["deadletter.service", "deadletter-verify.service", "deadletter-verify.timer"])
      put(`lib/systemd/system/${unit}`, read(`packaging/${unit}`));
    put("etc/default/deadletter", read("packaging/deb/default"));
    for (const { file, text } of manualPages(SECTIONS))
      put(`usr/share/man/man1/${file}.gz`, Bun.gzipSync(Buffer.from(text)));
    put("usr/share/bash-completion/completions/deadletter", SCRIPTS.bash);
    put("usr/share/zsh/vendor-completions/_deadletter", SCRIPTS.zsh);
    put("usr/share/fish/vendor_completions.d/deadletter.fish", SCRIPTS.fish);
    put("usr/share/doc/deadletter/copyright", read("LICENSE"));
    put("usr/share/doc/deadletter/README.md", read("README.md"));
    put("usr/share/doc/deadletter/changelog.gz", Bun.gzipSync(read("CHANGELOG.md")));
    cpSync(join(ROOT, "docs"), join(tree, "usr/share/doc/deadletter"), { recursive: true });
    put("DEBIAN/control", control(architecture, tree));
    put("DEBIAN/conffiles", "/etc/default/deadletter\n");
    for (const name of ["postinst", "prerm", "postrm"]) put(`DEBIAN/${name}`, read(`packaging/deb/${name}`), 0o755);
    mkdirSync(join(ROOT, "dist"), { recursive: true });
    const file = join(ROOT, `dist/deadletter_${packageJson.version}_${architecture}.deb`);
    run(["dpkg-deb", "--root-owner-group", "--build", "-Zxz", tree, file]);
    console.log(`${file}: ${Math.round(statSync(file).size / 1e6)} MB`);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** Debian policy, chapter 5. The executable links glibc and nothing else. */
function control(architecture: Architecture, tree: string): string {
  const kib = Math.ceil(sizeOf(tree) / 1024);
  return `Package: deadletter
Version: ${packageJson.version}
Architecture: ${architecture}
Maintainer: deadletter maintainers <maintainers@deadletter.invalid>
Installed-Size: ${kib}
Depends: adduser, libc6 (>= 2.31)
Recommends: ca-certificates
Suggests: postgresql
Section: web
Priority: optional
Description: URL shortener whose every change is in its audit log
 Shortens and redirects links from one executable, on PostgreSQL or an embedded
 SQLite file. Every change is written, in the same transaction, to a signed,
 append-only log that outsiders can check with their own tools.
`;
}

/** Another architecture's executable is Bun's own with our code in it. */
function crossBuild(architecture: Architecture, tree: string): string[] {
  if (architecture === OWN) return [];
  const name = `@oven/bun-linux-${ARCHITECTURES[architecture]}`;
  const place = join(tree, "npm");
  run(["npm", "install", "--silent", "--no-save", "--force", "--prefix", place, `${name}@${Bun.version}`]);
  return ["--compile-executable-path", join(place, "node_modules", name, "bin/bun")];
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => statSync(join(folder, name)))
    .reduce((sum, { size }) => sum + size, 0);
}

function run(command: readonly string[]): void {
  const { exitCode } = Bun.spawnSync([...command], { cwd: ROOT, stdin: "ignore", stdout: "ignore", stderr: "inherit" });
  if (exitCode !== 0) throw new Error(`${command[0]} failed`);
}
