// The profile screen on the client SDK: what an app does, and nothing that an app could not do.

import { createClient } from "@supabase/supabase-js";
import { createRoot } from "react-dom/client";
import { createGenerationService, webStorage } from "../../../shared/client/mod.ts";
import { GenerationProvider } from "../../../shared/client/react/mod.ts";
import { App } from "./app.tsx";
import { NoticeBoard } from "./parts/notice.tsx";
import { SessionProvider } from "./session.tsx";

interface Place {
  url: string;
  publishableKey: string;
  hasProvider: boolean;
}

const place: Place = await (await fetch("/playground.json")).json();
const supabase = createClient(place.url, place.publishableKey);
const service = createGenerationService({ supabase, storage: webStorage() });

createRoot(document.getElementById("app")!).render(
  <SessionProvider auth={supabase.auth}>
    <GenerationProvider service={service}>
      <NoticeBoard>
        <App hasProvider={place.hasProvider} />
      </NoticeBoard>
    </GenerationProvider>
  </SessionProvider>,
);
