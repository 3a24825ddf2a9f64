import { useEffect } from "preact/hooks";
import { findSession, session, signOut } from "../api/session.ts";

/** Who is signed in, and the way out; nothing where nobody is asked for a key. */
export function SignedIn() {
  useEffect(() => void findSession(), []);
  const who = session.value;
  if (!who?.key_id) return null;
  return (
    <p class="faint signed-in">
      {who.owner} ({who.scope}){" "}
      <button type="button" onClick={() => void signOut()}>
        Sign out
      </button>
    </p>
  );
}
