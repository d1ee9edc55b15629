// What is measured beside other work: the memory of a process, and redirects at an even pace.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { median } from "./report.ts";

/** Resident set of a process, in MiB (proc(5)); 0 for one that is gone. */
export function rssMb(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** The largest resident set of any of these processes from now on, in MiB, looked at ten times a second. */
export function watchRss(pidsOf: () => readonly number[]): { readonly end: () => number } {
  let peakMb = 0;
  const timer = setInterval(() => {
    peakMb = Math.max(peakMb, ...pidsOf().map(rssMb));
  }, 100);
  return {
    end() {
      clearInterval(timer);
      return peakMb;
    },
  };
}

export interface Beside {
  /** Milliseconds from when each was due. */
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
}

/** Redirects of `codes` at 300 a second, for so long. */
export async function pacedRedirects(url: string, seconds: number, codes: readonly string[]): Promise<Beside> {
  const command = [process.execPath, join(import.meta.dir, "paced.ts"), url, "300", String(seconds), ...codes];
  const child = Bun.spawn(command, { stdout: "pipe" });
  const [p50 = 0, p99 = 0, , failed = 0] = (await new Response(child.stdout).text()).trim().split(" ").map(Number);
  return { p50, p99, failed };
}

/** Medians of rounds without other work and with it. */
export function besideText(quiet: readonly Beside[], busy: readonly Beside[]): string {
  const of = (list: readonly Beside[], field: keyof Beside) => median(list.map((each) => each[field]));
  const pair = (field: keyof Beside) => `${of(quiet, field).toFixed(2)} and ${of(busy, field).toFixed(2)} ms`;
  const ratio = of(busy, "p99") / of(quiet, "p99");
  const failed = [...quiet, ...busy].reduce((sum, each) => sum + each.failed, 0);
  return `redirects at 300/s, medians of ${quiet.length} rounds: p50 ${pair("p50")}, p99 ${pair("p99")}: ratio ${ratio.toFixed(2)}; ${failed} failed`;
}
