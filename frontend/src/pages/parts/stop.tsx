import { useState } from "preact/hooks";

import { Notice } from "../../parts/notice.tsx";
import { ApiError, stopRun } from "../../store/api.ts";
import { useTopics } from "../../store/hooks.ts";
import type { RunModel } from "../../store/model.ts";
import { Dialog } from "./dialog.tsx";

/** Ends a run, after asking: gracefully at first, and then at once. */
export function StopButton({ model }: { model: RunModel }) {
  useTopics(model, "stage");
  const [asking, ask] = useState(false);
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<ApiError | null>(null);
  if (model.over || !model.ready) return null;
  const now = asked || model.stage === "ending";
  const stop = async (): Promise<void> => {
    setBusy(true);
    setTrouble(null);
    try {
      await stopRun(model.run, now);
      setAsked(true);
      ask(false);
    } catch (error) {
      setTrouble(error instanceof ApiError ? error : new ApiError(0, String(error)));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button type="button" class="button-danger" onClick={() => ask(true)}>
        {now ? "Stop at once" : "Stop"}
      </button>
      {asking && (
        <Dialog
          title={now ? "Stop this run at once?" : "Stop this run?"}
          onClose={() => ask(false)}
          actions={
            <>
              <button type="button" onClick={() => ask(false)}>
                Go on
              </button>
              <button type="button" class="button-danger" disabled={busy} onClick={() => void stop()}>
                {now ? "Stop at once" : "Stop gracefully"}
              </button>
            </>
          }
        >
          <p>
            {now
              ? "Iterations that still run are cut off. What was measured so far is kept."
              : "No iteration begins any more, and those that run may come to their end. What was measured is kept."}
          </p>
          {trouble !== null && (
            <Notice tone="bad" title={trouble.message}>
              {trouble.hint !== "" && <p>{trouble.hint}</p>}
            </Notice>
          )}
        </Dialog>
      )}
    </>
  );
}
