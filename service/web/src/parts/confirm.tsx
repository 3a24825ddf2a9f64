import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

interface ConfirmProps {
  action: string;
  question: string;
  onYes: () => void;
}

/** A button for what cannot be undone: it asks once, in its own place. */
export function Confirm({ action, question, onYes }: ConfirmProps) {
  const asks = useSignal(false);
  const no = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (asks.value) no.current?.focus();
  }, [asks.value]);
  if (!asks.value) {
    return (
      <button type="button" onClick={() => (asks.value = true)}>
        {action}
      </button>
    );
  }
  function answer(yes: boolean): void {
    asks.value = false;
    if (yes) onYes();
  }
  return (
    <span class="confirm" role="alertdialog" aria-label={question}>
      {question}
      <button type="button" class="danger" onClick={() => answer(true)}>
        {action}
      </button>
      <button type="button" ref={no} onClick={() => answer(false)}>
        Keep
      </button>
    </span>
  );
}
