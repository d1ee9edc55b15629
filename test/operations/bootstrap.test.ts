// Who gets the first admin key: once, whatever the users of an imported store are called.

import { expect, test } from "bun:test";
import { open } from "../../src/app/open.ts";
import { loadConfig } from "../../src/config/load.ts";
import { transact } from "../../src/operations/apply.ts";
import { createFirstAdmin, FIRST_ADMIN } from "../../src/operations/bootstrap.ts";
import { captureLog, createStore, ENGINES } from "../support/harness.ts";

test.each([...ENGINES])(
  "the first admin has another name where one is taken, and is made once, on %s",
  async (engine) => {
    const store = await createStore(engine);
    const { config } = loadConfig(store.environment);
    const deadletter = await open(config, { log: captureLog().log, via: "http" });
    const { core, self } = deadletter;
    try {
      await transact(core, self, ({ apply }) => apply([{ ...FIRST_ADMIN, type: "user.create" }]));
      const admin = await createFirstAdmin(core, self);
      expect(admin?.user.username).toMatch(/^admin-[0-9a-f]{4}$/);
      expect(admin?.key).toMatchObject({ role: "admin", user_id: admin?.user.id });
      expect(await createFirstAdmin(core, self)).toBeNull();
      const racers = await Promise.all([createFirstAdmin(core, self), createFirstAdmin(core, self)]);
      expect(racers).toEqual([null, null]);
    } finally {
      await deadletter.close();
      store.remove();
    }
  },
);
