// E-mail and password against Supabase Auth; one tap makes a new account with credits.

import { type FormEvent, useState } from "react";
import { useSession } from "./session.tsx";

export function SignIn() {
  const { auth } = useSession();
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);

  async function enter(kind: "signUp" | "signInWithPassword", email: string, password: string) {
    setBusy(true);
    setProblem("");
    const { error } = await auth[kind]({ email, password });
    setBusy(false);
    if (error) setProblem(error.message);
  }
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const submitter = (event.nativeEvent as SubmitEvent).submitter as HTMLButtonElement | null;
    const kind = submitter?.value === "signUp" ? "signUp" : "signInWithPassword";
    void enter(kind, String(form.get("email")), String(form.get("password")));
  }

  return (
    <main className="sign-in">
      <h1>Genflow</h1>
      <p className="soft">Ask for a picture; it comes to your profile, whatever happens on the way.</p>
      <form onSubmit={submit} className="card stack">
        <label className="field">
          E-mail
          <input name="email" type="email" autoComplete="email" required />
        </label>
        <label className="field">
          Password
          <input name="password" type="password" autoComplete="current-password" minLength={6} required />
        </label>
        <p className="problem" role="alert">{problem}</p>
        <button type="submit" value="signInWithPassword" className="primary" disabled={isBusy}>
          Sign in
        </button>
        <button type="submit" value="signUp" disabled={isBusy}>Create an account</button>
      </form>
      <button
        type="button"
        className="link"
        disabled={isBusy}
        onClick={() => void enter("signUp", `${crypto.randomUUID()}@example.com`, crypto.randomUUID())}
      >
        Just look around with a new account
      </button>
    </main>
  );
}
