// What went wrong, or was done, in one place that screen readers hear.

import { createContext, type ReactNode, useCallback, useContext, useEffect, useState } from "react";
import { GenerationError } from "../../../../shared/client/mod.ts";

interface Notice {
  text: string;
  detail: string;
  isError: boolean;
}

interface Telling {
  tell(text: string): void;
  /** In the words of the catalogue; what is no error of the service is a mistake of this page and is thrown on. */
  fail(error: unknown): void;
}

const Board = createContext<Telling | null>(null);
const shownMs = { word: 2500, error: 8000 };

export function NoticeBoard({ children }: { children: ReactNode }) {
  const [notice, setNotice] = useState<Notice | null>(null);
  const tell = useCallback((text: string) => setNotice({ text, detail: "", isError: false }), []);
  const fail = useCallback((error: unknown) => {
    if (!(error instanceof GenerationError)) throw error;
    setNotice({ text: error.message, detail: error.facts.detail, isError: true });
  }, []);
  useEffect(() => {
    if (!notice) return;
    const timer = setTimeout(() => setNotice(null), shownMs[notice.isError ? "error" : "word"]);
    return () => clearTimeout(timer);
  }, [notice]);
  return (
    <Board value={{ tell, fail }}>
      {children}
      <div className="notice-board" role="status" aria-live="polite">
        {notice && (
          <p className={notice.isError ? "notice is-error" : "notice"}>
            <strong>{notice.text}</strong> {notice.detail}
          </p>
        )}
      </div>
    </Board>
  );
}

export function useNotice(): Telling {
  const telling = useContext(Board);
  if (!telling) throw new Error("There is no <NoticeBoard> above this component.");
  return telling;
}
