// Who is here, with how many credits, and what is new.

import { useAccount, useNotifications } from "../../../shared/client/react/mod.ts";
import { Icon } from "./parts/icon.tsx";
import { useSession } from "./session.tsx";
import { credits } from "./words.ts";

export function Header({ onNotifications, onProvider }: {
  onNotifications: () => void;
  /** Absent with a real provider. */
  onProvider?: () => void;
}) {
  const { auth } = useSession();
  const account = useAccount();
  const { unseen } = useNotifications();
  return (
    <header className="top">
      <h1>Genflow</h1>
      <span className="balance" aria-live="polite">{account ? credits(account.balance) : " "}</span>
      <button
        type="button"
        className="icon-button"
        aria-label={unseen > 0 ? `Notifications, ${unseen} new` : "Notifications"}
        onClick={onNotifications}
      >
        <Icon name="bell" />
        {unseen > 0 && <span className="badge" aria-hidden="true">{unseen > 9 ? "9+" : unseen}</span>}
      </button>
      {onProvider && (
        <button type="button" className="icon-button" aria-label="Stand-in provider" onClick={onProvider}>
          <Icon name="sliders" />
        </button>
      )}
      <button type="button" className="icon-button" aria-label="Sign out" onClick={() => void auth.signOut()}>
        <Icon name="leave" />
      </button>
    </header>
  );
}
