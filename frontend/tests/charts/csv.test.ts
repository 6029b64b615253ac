import { expect, test } from "vitest";

import { chartCsv, csv, heatCsv } from "../../src/charts/csv.ts";

test("cells with commas, quotes and line breaks stand in quotes", () => {
  expect(csv([["a,b", 'say "hi"', "one\r\ntwo", 1.5, null]])).toBe('"a,b","say ""hi""","one\r\ntwo",1.5,\r\n');
});

test.each(["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])("%j does not become a formula", (name) => {
  expect(csv([[name]])).toBe(`'${name}\r\n`);
});

test("a formula that needs quotes has both", () => {
  expect(csv([['=HYPERLINK("http://x")']])).toBe('"\'=HYPERLINK(""http://x"")"\r\n');
});

test("a chart has a row for each point, and units in its heads", () => {
  const lines = [
    { label: "p95", values: [12_000, null], color: "blue" as const },
    { label: "Users", values: [3, 4], color: "green" as const },
  ];
  expect(chartCsv([0.1 + 0.2, 1], [1, 60], lines, ["us", ""])).toBe(
    "t_s,width_s,p95 (us),Users\r\n0.3,1,12000,3\r\n1,60,,4\r\n",
  );
  expect(chartCsv([0], undefined, [], [])).toBe("t_s\r\n0\r\n");
});

test("a heat map has a row for each field", () => {
  expect(heatCsv([{ t_us: 2e6, width_us: 1e6, heat: [40, 7, 44, 1] }])).toBe(
    "t_s,width_s,from_us,to_us,count\r\n2,1,1024,1218,7\r\n2,1,2048,2435,1\r\n",
  );
});
