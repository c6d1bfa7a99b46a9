// A dialog of the browser's own: it keeps the focus inside, gives it back, and closes with Escape or beside it.

import { type ReactNode, useEffect, useRef } from "react";
import { Icon } from "./icon.tsx";

export function Dialog({ title, isSheet = false, onClose, children }: {
  title: string;
  /** A list at the side instead of a picture in the middle. */
  isSheet?: boolean;
  onClose: () => void;
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opened = dialog.current!;
    opened.showModal();
    return () => opened.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className={isSheet ? "sheet" : "window"}
      aria-label={title}
      onClose={onClose}
      onClick={(event) => event.target === event.currentTarget && event.currentTarget.close()}
    >
      <div className="dialog-body">
        <header className="dialog-head">
          <h2>{title}</h2>
          <button
            type="button"
            className="icon-button"
            aria-label="Close"
            onClick={() => dialog.current?.close()}
          >
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
