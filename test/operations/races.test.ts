import { expect, test } from "bun:test";
import { describeEachEngine } from "../support/harness.ts";

describeEachEngine("races", (server) => {
  const create = async () => (await server().call("POST", "/urls", { original_url: "https://example.com/" })).json;
  const count = (answers: readonly { status: number }[], status: number) =>
    answers.filter((answer) => answer.status === status).length;
  const all = <Result>(times: number, run: (index: number) => Promise<Result>) =>
    Promise.all(Array.from({ length: times }, (_, index) => run(index)));

  test("50 concurrent edits of one link lose none", async () => {
    const { call } = server();
    const { id } = await create();
    const answers = await all(50, (index) => call("PUT", `/urls/${id}`, { title: `edit ${index}` }));
    expect(count(answers, 200)).toBe(50);
    const history = (await call("GET", `/urls/${id}/events?per_page=500`)).json;
    expect(history.map((event: { version: number }) => event.version)).toEqual(
      Array.from({ length: 51 }, (_, index) => index + 1),
    );
    const titles = history
      .slice(1)
      .map((event: { details: { changes: { title: { to: string } } } }) => event.details.changes.title.to);
    expect(new Set(titles).size).toBe(50);
    expect((await call("GET", `/urls/${id}`)).json).toMatchObject({ version: 51, title: titles.at(-1) });
  });

  test("of 50 edits with the same If-Match one wins and 49 are told 412", async () => {
    const { call } = server();
    const { id } = await create();
    const answers = await all(50, (index) =>
      call("PUT", `/urls/${id}`, { title: `edit ${index}` }, { headers: { "if-match": '"1"' } }),
    );
    expect([count(answers, 200), count(answers, 412)]).toEqual([1, 49]);
    expect((await call("GET", `/urls/${id}/events`)).json).toHaveLength(2);
  });

  test("of 20 concurrent deletes one is 200, nineteen are 409, and there is one event", async () => {
    const { call } = server();
    const { id } = await create();
    const answers = await all(20, () => call("DELETE", `/urls/${id}`));
    expect([count(answers, 200), count(answers, 409)]).toEqual([1, 19]);
    expect(
      (await call("GET", `/urls/${id}/events`)).json.map((event: { event_type: string }) => event.event_type),
    ).toEqual(["created", "deleted"]);
  });

  test("an edit that races a delete never resurrects the link", async () => {
    const { call } = server();
    for (let round = 0; round < 20; round++) {
      const { id } = await create();
      const [edit, deletion] = await Promise.all([
        call("PUT", `/urls/${id}`, { title: "edited" }),
        call("DELETE", `/urls/${id}`),
      ]);
      expect(deletion.status).toBe(200);
      expect(edit.status).toBeOneOf([200, 404]);
      const link = (await call("GET", `/urls/${id}`)).json;
      expect(link.is_active).toBe(false);
      expect(link.version).toBe(edit.status === 200 ? 3 : 2);
    }
  });

  test("concurrent creates of one code give one 201, the rest 409", async () => {
    const { call } = server();
    const answers = await all(30, () => call("POST", "/urls", { original_url: "https://a.b/", short_code: "wanted" }));
    expect([count(answers, 201), count(answers, 409)]).toEqual([1, 29]);
  });

  test("concurrent creates of one username give one 201, the rest 409", async () => {
    const { call } = server();
    const answers = await all(10, (index) =>
      call("POST", "/users", { username: "wanted", email: `w${index}@example.com` }),
    );
    expect([count(answers, 201), count(answers, 409)]).toEqual([1, 9]);
  });

  test("keys made while their user is deactivated are all dead afterwards", async () => {
    const { call } = server();
    const user = (await call("POST", "/users", { username: "leaving", email: "l@example.com" })).json;
    const [deletion, ...made] = await Promise.all([
      call("DELETE", `/users/${user.id}`),
      ...Array.from({ length: 10 }, () => call("POST", `/users/${user.id}/keys`, { name: "k", role: "admin" })),
    ]);
    expect(deletion.status).toBe(200);
    for (const { status, json } of made) {
      expect(status).toBeOneOf([201, 404]);
      if (status === 201) expect((await call("GET", "/whoami", undefined, { key: json.key })).status).toBe(401);
    }
  });

  test("after all of this the audit log is true", async () => {
    expect(await server().verify()).toEqual([]);
  });
});
