// Where a bench says what it measured: on standard output, and in bench/results/ for the next to compare with.

import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";

export function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

/** `print` says a line; `save` writes all of them to bench/results/NAME.txt. The first names the machine. */
export function openReport(name: string) {
  const lines: string[] = [];
  const print = (line = "") => {
    console.log(line);
    lines.push(line);
  };
  print(
    `bench/${name}.ts on ${cpus().length} x ${cpus()[0]?.model}, Bun ${Bun.version}, ${new Date().toISOString().slice(0, 10)}`,
  );
  return {
    print,
    save() {
      const folder = join(import.meta.dir, "results");
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, `${name}.txt`), `${lines.join("\n")}\n`);
    },
  };
}
