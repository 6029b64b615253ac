// The report: one script and one style sheet without a hash, which `loads.report.html` puts into its file.
import { defineConfig } from "vite";

import { jsx, leanPlot } from "./vite.shared.ts";

export default defineConfig({
  oxc: jsx,
  plugins: [leanPlot()],
  publicDir: false,
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  build: {
    outDir: "../loads/report/static",
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    lib: {
      entry: "src/report.tsx",
      formats: ["iife"],
      name: "loadsReport",
      fileName: () => "report.js",
      cssFileName: "report",
    },
  },
});
