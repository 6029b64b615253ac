import { expect, test } from "vitest";

import { ANY_RUN, isFiltered, parseQuery, queryOf, type RunQuery } from "../../src/store/query.ts";

const ALL: RunQuery = {
  text: "check out & pay", label: "nightly", tags: ["build=4/1", "who=a b", "x="], verdict: "failed", from: "2026-03-01",
  to: "2026-03-02", offset: 50,
};

test("what is asked for comes back out of the address", () => {
  for (const query of [ANY_RUN, ALL, { ...ANY_RUN, tags: ["a=b=c"] }]) expect(parseQuery(queryOf(query))).toEqual(query);
});

test("nothing asked for leaves no query", () => {
  expect(queryOf(ANY_RUN)).toBe("");
  expect(queryOf(ANY_RUN, 50)).toBe("?limit=50");
});

test("what makes no sense in an address is left out", () => {
  expect(parseQuery("?verdict=great&from=yesterday&to=2026-1-1&offset=-3&tag=novalue&text=+&tag=a%3Db&tag=a%3Db")).toEqual({
    ...ANY_RUN, tags: ["a=b"],
  });
  expect(parseQuery("?offset=1e99").offset).toBe(0);
});

test("a later page of everything is not a filter", () => {
  expect(isFiltered({ ...ANY_RUN, offset: 100 })).toBe(false);
  expect(isFiltered({ ...ANY_RUN, tags: ["a=b"] })).toBe(true);
});
