import { useEffect, useMemo } from "preact/hooks";

import { Empty } from "../parts/empty.tsx";
import { Notice } from "../parts/notice.tsx";
import { reportPath } from "../store/api.ts";
import { FollowedRun } from "../store/followed.ts";
import { useTopics } from "../store/hooks.ts";
import type { RunModel } from "../store/model.ts";
import { useApp, useTitle } from "./context.ts";
import { LinkNotice, useStale } from "./parts/link.tsx";
import { RunView } from "./parts/runview.tsx";
import { StopButton } from "./parts/stop.tsx";
import { runWord, titleOf } from "./parts/words.ts";

/** A run, live. */
export function RunPage({ run }: { run: string }) {
  const { me, live } = useApp();
  const source = useMemo(() => new FollowedRun(live, run), [live, run]);
  useEffect(() => {
    source.start();
    return () => source.stop();
  }, [source]);
  const stale = useStale();
  useTopics(source, "gone");
  useTopics(source.model, "stage");
  const { over } = source.model;
  useOnceReady(source.model);
  if (!source.model.ready) return <Missing source={source} />;
  return (
    <>
      <RunTitle model={source.model} />
      <RunView
        source={source}
        stale={stale && !(me.local && over)}
        notice={
          <>
            <LinkNotice over={over} />
            {source.gone !== null && <Notice tone="warn" title={source.gone.message}>{source.gone.hint && <p>{source.gone.hint}</p>}</Notice>}
          </>
        }
        actions={
          <>
            <CompareLink model={source.model} />
            {source.model.elapsedUs !== null && (
              <a class="button" href={reportPath(run)} download="" title="Save the run with all its charts as one file">
                Report
              </a>
            )}
            {me.may_stop && <StopButton model={source.model} />}
          </>
        }
      />
    </>
  );
}

/** Draws the page again when the first frame has come, and not with each later one. */
function useOnceReady(model: RunModel): void {
  useTopics(model, "head");
}

function RunTitle({ model }: { model: RunModel }) {
  useTopics(model, "head", "stage", "standing");
  useTitle(`${runWord(model.stage, model.standing).text}: ${titleOf(model.head, model.run)}`);
  return null;
}

function CompareLink({ model }: { model: RunModel }) {
  const { me } = useApp();
  if (me.local) return null;
  return (
    <a class="button" href={`/compare?a=${encodeURIComponent(model.run)}`}>
      Compare
    </a>
  );
}

function Missing({ source }: { source: FollowedRun }) {
  useTitle(`Run ${source.model.run}`);
  const { me } = useApp();
  return (
    <div class="stack">
      <LinkNotice />
      {source.gone === null ? (
        <p class="muted loading" role="status">
          Fetching run <span class="mono">{source.model.run}</span>…
        </p>
      ) : (
        <Empty title={source.gone.message}>
          {source.gone.hint !== "" && <p>{source.gone.hint}</p>}
          {!me.local && (
            <p>
              <a href="/runs">All runs</a>
            </p>
          )}
        </Empty>
      )}
    </div>
  );
}
