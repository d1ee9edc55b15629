// Writes dist/deadletter.cdx.json: what the executable is made of, as CycloneDX 1.6. From bun.lock alone: every package that a
// dependency brings, and Bun itself; nothing that only developers need.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };

const ROOT = join(import.meta.dir, "..");

/** By the path of its place in node_modules: name@version, where it comes from, what it depends on, its hash. */
type Entry = readonly [
  id: string,
  source: string,
  about: {
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  },
  integrity?: string,
];

export function billOfMaterials(): object {
  // JSON with commas at the end of lists.
  const lock = JSON.parse(readFileSync(join(ROOT, "bun.lock"), "utf8").replaceAll(/,(\s*[}\]])/g, "$1")) as {
    readonly packages: Readonly<Record<string, Entry>>;
  };
  const found = new Map<string, object>();
  const visit = (name: string, from: string) => {
    const place = placeOf(lock.packages, name, from);
    if (place === undefined || found.has(place)) return;
    const [id, , about, integrity] = lock.packages[place] as Entry;
    const at = id.lastIndexOf("@");
    found.set(place, componentOf(id.slice(0, at), id.slice(at + 1), integrity));
    for (const next of Object.keys({ ...about.dependencies, ...about.optionalDependencies })) visit(next, place);
  };
  for (const name of Object.keys(packageJson.dependencies)) visit(name, "");
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "application",
        name: packageJson.name,
        version: packageJson.version,
        licenses: [{ license: { id: "MIT" } }],
      },
    },
    components: [componentOf("bun", packageJson.engines.bun, undefined), ...found.values()],
  };
}

/** As a module resolver walks up: the nearest copy counts. */
function placeOf(packages: Readonly<Record<string, Entry>>, name: string, from: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/")))) {
    const place = folder === "" ? name : `${folder}/${name}`;
    if (place in packages) return place;
    if (folder === "") return undefined;
  }
}

function componentOf(name: string, version: string, integrity: string | undefined): object {
  const [, algorithm, base64] = /^(sha\d+)-(.+)$/.exec(integrity ?? "") ?? [];
  const hashes =
    algorithm === undefined || base64 === undefined
      ? {}
      : {
          hashes: [
            {
              alg: algorithm.toUpperCase().replace("SHA", "SHA-"),
              content: Buffer.from(base64, "base64").toString("hex"),
            },
          ],
        };
  // A purl escapes the @ of a scope (purl-spec, npm).
  const purl = `pkg:npm/${name.replace(/^@/, "%40")}@${version}`;
  return { type: "library", "bom-ref": purl, name, version, purl, ...hashes };
}

if (import.meta.main) {
  writeFileSync(join(ROOT, "dist/deadletter.cdx.json"), `${JSON.stringify(billOfMaterials(), null, 2)}\n`);
}
