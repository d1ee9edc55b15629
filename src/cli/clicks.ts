// How often a link was followed: as a table, as a plot, and live.

import pc from "picocolors";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { CLICK_GROUPS, type ClickReport } from "../operations/clicks.ts";
import { sleep, systemClock } from "../runtime/clock.ts";
import { type Client, withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, given, type Input, type Io } from "./command.ts";
import { isRead, LIST_FLAGS, printRows } from "./listing.ts";
import { onLink } from "./names.ts";
import { print } from "./output.ts";
import { readTime } from "./read-time.ts";
import { countClicks, showLink } from "./requests.ts";
import type { Column } from "./table.ts";
import { bar, thousands } from "./text.ts";

type Row = ClickReport["rows"][number];

const SPARK_DAYS = 30;
const DAY_MS = 86_400_000;

export const clicksCommand: Command = {
  name: "clicks",
  summary:
    "Count how often a link was followed, by day, hour, referrer or device. Bots, prefetches and HEADs are told apart.",
  args: ["LINK"],
  flags: [
    { name: "by", value: "GROUP", help: `${CLICK_GROUPS.join(", ")}; default day`, choices: CLICK_GROUPS },
    { name: "from", value: "TIME", help: "included; by default 30 days before --to" },
    { name: "to", value: "TIME", help: "excluded; by default now" },
    { name: "live", help: "print a line whenever there are new clicks, until interrupted" },
    ...LIST_FLAGS,
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter clicks sale",
    "deadletter clicks sale --by referrer --from 7d --json",
    "deadletter clicks sale --live",
  ],
  run: (input, io) =>
    withClient(input, (client) =>
      onLink(client, input.args[0] ?? "", async (name) => {
        if (input.isOn("live")) return follow(client, name, { input, io });
        const report = await countClicks(client, name, {
          ...given("by", input.value("by")),
          ...given("from", await readTime(input, "from", "behind")),
          ...given("to", await readTime(input, "to", "behind")),
        });
        if (input.isJson) return print(io, input, report, () => "");
        const most = Math.max(0, ...report.rows.map(({ clicks }) => clicks));
        await printRows({ input, io }, report.rows, {
          // A plot is for eyes.
          columns: clickColumns(report.by, most).filter(({ name }) => name !== "plot" || io.width !== undefined),
          empty: `no clicks from ${report.from} to ${report.to}; new ones are there within seconds, earlier ones with --from 90d`,
        });
        if (report.imported > 0) input.note(`imported with the link: ${thousands(report.imported)} clicks`);
      }),
    ),
};

function clickColumns(by: ClickReport["by"], most: number): readonly Column<Row>[] {
  const counts = (["clicks", "bots", "prefetches", "heads"] as const).map(
    (name): Column<Row> => ({
      name,
      value: (row) => row[name],
      shown: (row) => thousands(row[name]),
      align: "right",
      ...(name === "clicks" ? {} : { rank: 2 }),
    }),
  );
  const key: Column<Row> = {
    name: by,
    value: (row) => row.key,
    shown: (row) => (by === "day" ? row.key.slice(0, 10) : by === "hour" ? row.key.slice(0, 16) : row.key) || "-",
    least: 10,
  };
  const plot: Column<Row> = {
    name: "plot",
    value: () => "",
    shown: (row) => bar(row.clicks, most, 30),
    rank: 3,
    paint: () => pc.cyan,
  };
  return [key, ...counts, plot];
}

/** Clicks of each of the last days, the oldest first, days without any included. */
export async function dailyClicks(client: Client, name: string): Promise<number[]> {
  const today = Math.floor(systemClock.now() / DAY_MS);
  const from = new Date((today - SPARK_DAYS + 1) * DAY_MS).toISOString();
  const { rows } = await countClicks(client, name, { by: "day", from });
  const byDay = new Map(rows.map(({ key, clicks }) => [Math.floor(Date.parse(key) / DAY_MS), clicks]));
  return Array.from({ length: SPARK_DAYS }, (_, index) => byDay.get(today - SPARK_DAYS + 1 + index) ?? 0);
}

async function follow(client: Client, name: string, { input, io }: { input: Input; io: Io }): Promise<void> {
  for (const flag of ["by", "from", "to"])
    if (input.value(flag) !== undefined) throw badRequest(`--live counts from now on: leave --${flag} out`);
  let before = (await showLink(client, name)).clicks ?? 0;
  input.note(`${name} has ${thousands(before)} clicks; new ones are counted as they are recorded (Ctrl-C ends)`);
  for (;;) {
    await sleep(systemClock, LIMITS.clicksLiveMs);
    const total = (await showLink(client, name)).clicks ?? 0;
    if (total === before) continue;
    const news = { at: new Date(systemClock.now()).toISOString(), clicks: total - before, total };
    before = total;
    io.out(
      input.isJson || input.isOn("ndjson")
        ? `${JSON.stringify(news)}\n`
        : `${news.at.slice(11, 19)}  +${thousands(news.clicks)}  ${thousands(total)}\n`,
    );
    if (!(await isRead(io))) return;
  }
}
