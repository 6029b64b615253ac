// The dashboard: pages that loads-web serves, with all but index.html, login.css and icon.svg below /static/assets, by names
// that change with their content.
import { defineConfig } from "vitest/config";

import { devServer } from "./dev/server.ts";
import { jsx, leanPlot } from "./vite.shared.ts";

export default defineConfig({
  base: "/static/",
  oxc: jsx,
  plugins: [devServer(), leanPlot()],
  build: {
    outDir: "../loads/web/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: { index: "index.html", login: "src/style/login.css" },
      output: {
        assetFileNames: (asset) =>
          asset.names.includes("login.css") ? "login.css" : "assets/[name]-[hash][extname]",
      },
    },
  },
  test: {
    environment: "happy-dom",
    include: ["tests/**/*.test.{ts,tsx}", "src/**/*.test.{ts,tsx}"],
  },
});
