// Every attack is mounted on both engines and caught by what docs/audit-log.md says; the table there is made from this run.
// After a change: UPDATE_DOCS=1 bun test test/audit/attacks.test.ts

import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createStore, ENGINES } from "../support/harness.ts";
import { ATTACKS, type Attack, Scene, verify } from "./attacks.ts";

const DOC = join(import.meta.dir, "../../docs/audit-log.md");
const [START, END] = ["<!-- attacks: made by test/audit/attacks.test.ts -->", "<!-- end of attacks -->"];

describe.each([...ENGINES])("attacks on %s", (engine) => {
  test("leave no finding on an untouched store", async () => {
    const store = await createStore(engine);
    const scene = await Scene.open(store);
    await scene.makeLink("pending", 2);
    expect(await verify(scene)).toEqual([]);
    for (const { caught } of ATTACKS) for (const { check } of caught) expect(await check(scene)).toEqual([]);
    await scene.server.close();
    store.remove();
  });

  test.each(ATTACKS.map((attack): [string, Attack] => [attack.name, attack]))("%s", async (_, attack) => {
    const store = await createStore(engine);
    const scene = await Scene.open(store);
    await attack.mount(scene, engine);
    for (const { check, says } of attack.caught) expect((await check(scene)).join("\n")).toContain(says);
    await scene.server.close();
    store.remove();
  });
});

/** A list item in lines of at most 100 columns, none of them broken within a command. */
function wrap(bullet: string, text: string): string {
  const lines = [""];
  for (const word of text.split(/ (?=(?:[^`]*`[^`]*`)*[^`]*$)/)) {
    const line = lines.at(-1);
    if (line !== "" && bullet.length + `${line} ${word}`.length > 100) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return bullet + lines.join(`\n${" ".repeat(bullet.length)}`);
}

test("the table in docs/audit-log.md is that of these attacks", () => {
  const rows = ATTACKS.map(({ name, caught }, index) => {
    const by = new Map<string, string[]>();
    for (const { by: who, says } of caught) by.set(who, [...(by.get(who) ?? []), `"${says.replace(/: $/, "")}"`]);
    const cell = [...by].map(([who, words]) => `${who}: ${words.join(", ")}`).join("; ");
    return wrap(`${index + 1}. `, `**${name}** — ${cell}`);
  });
  const text = readFileSync(DOC, "utf8");
  const made = `${text.slice(0, text.indexOf(START) + START.length)}\n\n${rows.join("\n")}\n\n${text.slice(text.indexOf(END))}`;
  if (process.env.UPDATE_DOCS) writeFileSync(DOC, made);
  expect(readFileSync(DOC, "utf8")).toBe(made);
});
