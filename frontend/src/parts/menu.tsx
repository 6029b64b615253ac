import { useEffect, useState } from "preact/hooks";

import { chooseTheme, chosenTheme, onTheme, type Theme } from "./theme.ts";

const CHOICES: readonly { theme: Theme; sign: string; label: string }[] = [
  { theme: "auto", sign: "◐", label: "As the system" },
  { theme: "light", sign: "☀", label: "Light" },
  { theme: "dark", sign: "☾", label: "Dark" },
];

/** Light, dark or as the system has it; remembered in this browser. */
export function ThemeToggle() {
  const [theme, setTheme] = useState(chosenTheme);
  useEffect(() => onTheme(() => setTheme(chosenTheme())), []);
  return (
    <div class="segments theme-toggle" role="group" aria-label="Colours">
      {CHOICES.map((choice) => (
        <button
          key={choice.theme}
          type="button"
          class="segment"
          title={choice.label}
          aria-label={choice.label}
          aria-pressed={choice.theme === theme}
          onClick={() => chooseTheme(choice.theme)}
        >
          <span aria-hidden="true">{choice.sign}</span>
        </button>
      ))}
    </div>
  );
}
