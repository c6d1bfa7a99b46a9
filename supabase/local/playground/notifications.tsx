// What ended while nobody looked.

import { useState } from "react";
import type { GenerationNotification } from "../../../shared/client/mod.ts";
import { useNotifications } from "../../../shared/client/react/mod.ts";
import { Logs } from "./logs.tsx";
import { useAct } from "./parts/act.ts";
import { Dialog } from "./parts/dialog.tsx";
import { Icon } from "./parts/icon.tsx";
import { useNotice } from "./parts/notice.tsx";
import { when } from "./words.ts";

export function Notifications({ onClose }: { onClose: () => void }) {
  const { all, see, dismiss } = useNotifications();
  function close() {
    see();
    onClose();
  }
  return (
    <Dialog title="Notifications" isSheet onClose={close}>
      {all.length === 0
        ? <p className="empty">Nothing has ended while you were away.</p>
        : (
          <ul className="notes">
            {all.map((one) => <Note key={one.id} note={one} onDismiss={() => dismiss(one.id)} />)}
          </ul>
        )}
    </Dialog>
  );
}

function Note({ note, onDismiss }: { note: GenerationNotification; onDismiss: () => void }) {
  const [hasLogs, setLogs] = useState(false);
  const { tell } = useNotice();
  const retry = useAct(async () => {
    await note.retry();
    tell("Asked for once more.");
    onDismiss();
  });
  return (
    <li className={note.seen ? "note" : "note is-new"}>
      <p>
        <strong>{note.title}</strong> {note.detail}
      </p>
      <p className="soft small">
        <time dateTime={note.at}>{when(note.at)}</time>
        {note.traceId && (
          <>
            {" · "}
            <code title="To name to support">{note.traceId.slice(0, 12)}</code>
          </>
        )}
      </p>
      <div className="row">
        {note.jobId && (
          <button type="button" aria-expanded={hasLogs} onClick={() => setLogs(!hasLogs)}>
            <Icon name="list" /> Logs
          </button>
        )}
        {note.retryable && (
          <button type="button" disabled={retry.isBusy} onClick={retry.act}>
            <Icon name="retry" /> Retry
          </button>
        )}
        <button type="button" onClick={onDismiss}>Dismiss</button>
      </div>
      {hasLogs && note.jobId && <Logs jobId={note.jobId} />}
    </li>
  );
}
