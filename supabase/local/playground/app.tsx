// One screen: compose above or beside, the profile below.

import { useEffect, useState } from "react";
import { useUserId } from "../../../shared/client/react/mod.ts";
import { Banner } from "./banner.tsx";
import { Composer } from "./compose/composer.tsx";
import { Header } from "./header.tsx";
import { Notifications } from "./notifications.tsx";
import { Profile } from "./profile/profile.tsx";
import { Provider } from "./provider.tsx";
import { useSession } from "./session.tsx";
import { SignIn } from "./sign-in.tsx";

export function App({ hasProvider }: { hasProvider: boolean }) {
  const { email } = useSession();
  const userId = useUserId();
  const [open, setOpen] = useState<"notifications" | "provider" | null>(null);
  // What was open for one user is not the next one's.
  useEffect(() => setOpen(null), [email]);
  if (email === undefined || (email !== null && userId === null)) return <p className="loading">Loading…</p>;
  if (email === null) return <SignIn />;
  return (
    <>
      <Header
        onNotifications={() => setOpen("notifications")}
        {...(hasProvider && { onProvider: () => setOpen("provider") })}
      />
      <Banner />
      <main className="screen">
        <Composer />
        <Profile />
      </main>
      {open === "notifications" && <Notifications onClose={() => setOpen(null)} />}
      {open === "provider" && <Provider onClose={() => setOpen(null)} />}
    </>
  );
}
