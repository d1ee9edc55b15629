// docs/metrics.md says what /metrics answers: each metric of ours with its kind, labels and help, on either engine.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describeEachEngine } from "../support/harness.ts";

const DOC = join(import.meta.dir, "../../docs/metrics.md");
/** Of one engine only, or only once something has happened. */
const NOT_ALWAYS =
  /sqlite_wal|is_replica|standbys|replication_lag|consumer_lag|workers|worker_restarts|verify_(?:timestamp|success)/;

interface Described {
  readonly name: string;
  readonly kind: string;
  readonly labels: string;
  readonly help: string;
}

/** Rows of its tables: | name | kind | labels | help |. */
function documented(): Described[] {
  return [...readFileSync(DOC, "utf8").matchAll(/^\| `(deadletter_\w+)` *\| (\w+) *\| ([^|]*?) *\| (.*?) *\|$/gm)].map(
    ([, name = "", kind = "", labels = "", help = ""]) => ({ name, kind, labels: labels.replaceAll("`", ""), help }),
  );
}

function exported(text: string): Described[] {
  return [...text.matchAll(/^# HELP (deadletter_\w+) (.*)\n# TYPE \w+ (\w+)$/gm)].map(
    ([, name = "", help = "", kind = ""]) => {
      const series = text.split("\n").find((line) => new RegExp(`^${name}(?:_bucket)?\\{`).test(line));
      const labels = [...(series ?? "").matchAll(/[{,](\w+)="/g)].map(([, label]) => label);
      return { name, kind, labels: labels.filter((label) => label !== "le").join(", "), help };
    },
  );
}

describeEachEngine("docs/metrics.md", (server) => {
  test("describes what is exported, word for word, and nothing else", async () => {
    const found = exported((await server().call("GET", "/metrics")).text);
    const told = documented();
    expect(found.filter(({ name }) => !told.some((each) => each.name === name)).map(({ name }) => name)).toEqual([]);
    for (const each of found) {
      const doc = told.find(({ name }) => name === each.name);
      // A series without a value shows no labels.
      expect(doc).toEqual(each.labels === "" && doc ? { ...each, labels: doc.labels } : each);
    }
    const missing = told.filter(({ name }) => !found.some((each) => each.name === name));
    expect(missing.filter(({ name }) => !NOT_ALWAYS.test(name)).map(({ name }) => name)).toEqual([]);
  });
});
