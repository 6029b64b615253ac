import { LINE } from "../../messages.ts";
import { moment } from "../../format.ts";
import { Badge } from "../../parts/badge.tsx";
import { useTopics } from "../../store/hooks.ts";
import { useRun } from "./frame.ts";
import { Section } from "./section.tsx";
import { EVENT_WORDS } from "./words.ts";

/** How much is shown around an event that is clicked, in s. */
const AROUND_S = 30;

/** What happened, in order; a click shows that time in all charts. */
export function Events() {
  const { source, view } = useRun();
  const { model } = source;
  useTopics(model, "events", "stage");
  const events = model.events;
  const show = (t_us: number, until_us: number | null): void => {
    const t = t_us / 1e6;
    view.zoom(Math.max(t - AROUND_S, 0), (until_us ?? t_us) / 1e6 + AROUND_S);
    view.moveCursor(t);
    document.getElementById("charts")?.scrollIntoView({ block: "start" });
  };
  return (
    <Section id="events" title="Events" number={events.length} lead={events.length > 0 ? "A click shows that time in the charts." : undefined}>
      {events.length === 0 && <p class="muted">Nothing out of the ordinary{model.over ? " happened." : " so far."}</p>}
      <ol class="events">
        {events.map((event) => {
          const word = EVENT_WORDS[event.kind];
          return (
            <li key={event.id}>
              <button type="button" class="event" onClick={() => show(event.t_us, event.until_us)}>
                <span class="event-time mono">
                  {moment(event.t_us / 1e6)}
                  {event.until_us !== null && ` – ${moment(event.until_us / 1e6)}`}
                </span>
                <Badge tone={word.tone}>{word.text}</Badge>
                <span class="event-text">{event.text}</span>
              </button>
            </li>
          );
        })}
      </ol>
    </Section>
  );
}

/** What workers printed. */
export function Log() {
  const { source } = useRun();
  const { model } = source;
  useTopics(model, "lines");
  if (model.lines.length === 0) return null;
  return (
    <Section id="log" title="Log" number={model.lines.length} lead="What the workers printed.">
      <div class="log" tabIndex={0} role="log" aria-live="off" aria-label="What the workers printed">
        {model.lines.map((line, at) => (
          <div class="log-line" key={model.firstLine + at}>
            <span class="faint">{moment(line[LINE.t_us] / 1e6)}</span> <span class="log-who">{line[LINE.who]}</span>{" "}
            <span class="log-text">{line[LINE.text]}</span>
          </div>
        ))}
      </div>
    </Section>
  );
}
