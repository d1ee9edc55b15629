// import PRODUCT: links that another product had, out of a file it exports or its own API, into the configured store.

import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localOperator, open } from "../app/open.ts";
import { hasStore } from "../app/open-store.ts";
import { badRequest, messageOf } from "../errors.ts";
import { fetchPages } from "../importers/fetch-pages.ts";
import { type ImportLinksReport, importLinks, type Remark } from "../importers/import-links.ts";
import type { Product } from "../importers/product.ts";
import { PRODUCTS } from "../importers/products.ts";
import type { Read } from "../importers/source-link.ts";
import { LIMITS } from "../limits.ts";
import { systemFiles } from "../runtime/files.ts";
import { createLogger } from "../runtime/logger.ts";
import { type Command, type Input, type Io, readInteger, refuseServer, STORE_SETTINGS } from "./command.ts";
import { print, progress } from "./output.ts";
import { refuseProfile } from "./profiles.ts";
import { printable } from "./text.ts";

export const importCommands: readonly Command[] = PRODUCTS.map((product) => ({
  name: `import ${product.name}`,
  summary: `Import links from ${product.title}: ${product.takes}. A second run changes nothing.`,
  args: [product.pages === undefined ? "FILE" : "FILE|URL"],
  flags: [
    ...(product.name === "csv" || product.name === "links"
      ? [{ name: "map", value: "MEMBER=COLUMN,...", help: "which column a member is in, where it has another name" }]
      : []),
    { name: "owner", value: "USER-ID", help: "who is to own the links; without it, no one" },
    { name: "all-or-nothing", help: "import none where any is refused" },
    { name: "take-proposals", help: "where a code is refused by the rules for codes, import under the one proposed" },
    {
      name: "report",
      value: "FILE",
      help: "each link that was refused, renamed or not carried whole, as NDJSON; by default FILE.import.ndjson",
    },
    { name: "dry-run", help: "check everything against the store and report, but change nothing" },
  ],
  settings: [...STORE_SETTINGS, "importKey", "baseUrl", "ownHosts", "migrate"],
  examples: product.examples,
  run: (input, io) => run(product, input, io),
}));

interface Job {
  readonly product: Product;
  readonly input: Input;
  readonly io: Io;
  readonly report: string | undefined;
}

async function run(product: Product, input: Input, io: Io): Promise<number> {
  refuseProfile(input, `import ${product.name}`, io.environment);
  refuseServer(input, `import ${product.name}`);
  const [from = ""] = input.args;
  const isDryRun = input.isOn("dry-run");
  const reads = readsOf(product, from, input);
  const named = /^https?:/i.test(from) ? `${product.name}.import.ndjson` : `${from}.import.ndjson`;
  const job = { product, input, io, report: input.value("report") ?? (isDryRun ? undefined : named) };
  checkReport(job.report, from);
  // Where there is no store yet, a dry run is made on one that is gone afterwards.
  const scratch = isDryRun && !hasStore(input.config) ? mkdtempSync(join(tmpdir(), "deadletter-dry-run-")) : undefined;
  const config = scratch === undefined ? input.config : { ...input.config, dataDir: scratch };
  try {
    return await importInto(config, job, reads);
  } finally {
    if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
  }
}

/** Before anything is read: what is to be said must have a place, and not that of what is read. */
function checkReport(report: string | undefined, from: string): void {
  if (report === undefined) return;
  if (existsSync(report) && existsSync(from) && realpathSync(report) === realpathSync(from))
    throw badRequest("--report: is the file that is read");
  try {
    systemFiles.append(report, "");
  } catch (error) {
    throw badRequest(`cannot write ${report}: ${messageOf(error)}`, "name another file with --report");
  }
}

function readsOf(product: Product, from: string, input: Input): AsyncGenerator<Read> {
  if (/^https?:/i.test(from)) {
    if (product.pages === undefined) throw badRequest(`${product.title} is not asked over the network`, "name a file");
    return fetchPages(from, product.pages, input.config.importKey);
  }
  if (!existsSync(from)) throw badRequest(`cannot read ${from}: there is no such file`);
  return product.read(from, { map: readMap(input) });
}

function readMap(input: Input): Record<string, string> {
  const pairs = (input.value("map") ?? "").split(",").filter((pair) => pair !== "");
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw badRequest(`--map: ${JSON.stringify(pair)} is not MEMBER=COLUMN`);
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    }),
  );
}

async function importInto(config: Input["config"], job: Job, reads: AsyncGenerator<Read>): Promise<number> {
  const { product, input, io } = job;
  const isDryRun = input.isOn("dry-run");
  const deadletter = await open(config, { log: createLogger("error"), via: localOperator("import") });
  const meters = { read: progress(io, "read"), checked: progress(io, "checked"), imported: progress(io, "imported") };
  const remarks = new Remarks(job);
  try {
    // Links to the server that serves this store are refused, as they are wherever a link is made.
    await deadletter.address.learn();
    const report = await importLinks(deadletter.core, deadletter.self, reads, {
      product: product.name,
      isDryRun,
      isAllOrNothing: input.isOn("all-or-nothing"),
      takesProposals: input.isOn("take-proposals"),
      owner: readInteger("owner", input.value("owner")),
      onRemark: (remark) => remarks.add(remark),
      onProgress(step, done, total) {
        if (step === "read") return;
        meters[step].update(done, total);
        if (done === total) meters[step].end();
      },
    });
    remarks.end();
    print(io, input, { product: product.name, dry_run: isDryRun, ...report, report: remarks.file }, () =>
      describe(job, report, remarks),
    );
    return report.refused > 0 ? 1 : 0;
  } finally {
    await deadletter.close();
  }
}

/** The first ones are shown, all of them are in the report. */
class Remarks {
  readonly #job: Job;
  readonly shown: Remark[] = [];
  file: string | null = null;
  count = 0;
  #waiting = "";

  constructor(job: Job) {
    this.#job = job;
    if (job.report !== undefined) systemFiles.removeIfThere(job.report);
  }

  add(remark: Remark): void {
    this.count += 1;
    if (this.shown.length < LIMITS.importRemarks) this.shown.push(remark);
    if (this.#job.report === undefined) return;
    this.file = this.#job.report;
    this.#waiting += `${JSON.stringify(remark)}\n`;
    if (this.#waiting.length > LIMITS.bulkRowChars) this.end();
  }

  end(): void {
    if (this.file === null || this.#waiting === "") return;
    systemFiles.append(this.file, this.#waiting);
    this.#waiting = "";
  }
}

function describe({ input, product }: Job, report: ImportLinksReport, remarks: Remarks): string {
  const { read, imported, unchanged, refused, partly, renamed, clicks } = report;
  const isDryRun = input.isOn("dry-run");
  const isStopped = !isDryRun && input.isOn("all-or-nothing") && refused > 0;
  const count = isDryRun ? `would import ${imported}` : `imported ${imported}`;
  const lines = remarks.shown.map(({ place, code, refused: why, proposal, renamed_to, lost }) => {
    const what = why ?? (renamed_to === undefined ? `not carried: ${lost?.join(", ")}` : `imported as ${renamed_to}`);
    const next = proposal === undefined ? "" : ` (could be ${proposal}: --take-proposals)`;
    return `  ${place}${code === null ? "" : ` ${printable(code)}`}: ${printable(what)}${next}\n`;
  });
  const more = remarks.count - remarks.shown.length;
  return [
    `${product.title}: read ${read}, ${count}, ${unchanged} are here already, ${refused} refused\n`,
    ...(partly + renamed + clicks === 0
      ? []
      : [`${partly} not carried whole, ${renamed} under another code, ${clicks} clicks as totals\n`]),
    ...lines,
    ...(more > 0 ? [`  and ${more} more\n`] : []),
    ...(remarks.file === null ? [] : [`all of it in ${remarks.file}\n`]),
    ...(isStopped ? ["nothing was imported, as --all-or-nothing asks\n"] : []),
  ].join("");
}
