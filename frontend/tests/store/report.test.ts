import { gzipSync } from "node:zlib";

import { expect, test } from "vitest";

import type { Report } from "../../src/messages.ts";
import { ReportedRun } from "../../src/store/followed.ts";
import { decodeReport } from "../../src/store/report.ts";
import { sample } from "./sample.ts";

const report: Report = { run: sample["run-final"], series: sample.series.map(({ final }) => final) };
const packed = gzipSync(JSON.stringify(report)).toString("base64");

test("a report is read as it was packed", async () => {
  expect(await decodeReport(`\n${packed}\n`)).toEqual(report);
});

test("a report that is cut or no report at all says so", async () => {
  await expect(decodeReport(packed.slice(0, 400))).rejects.toThrow();
  await expect(decodeReport("not base64!")).rejects.toThrow();
  await expect(decodeReport("")).rejects.toThrow();
});

test("the run of a report is all there, and each series that was kept", () => {
  const source = new ReportedRun(report);
  expect(source.model.totals).toEqual(sample["run-final"].totals);
  expect(source.live).toBe(false);
  const kept = source.openSeries(report.series[0]?.series ?? -1).model;
  expect(kept.points).toEqual(report.series[0]?.points);
  const left = source.openSeries(4_000).model;
  expect([left.ready, left.points]).toEqual([true, []]);
});
