import { useSignal } from "@preact/signals";
import type { ComponentChildren, TargetedInputEvent } from "preact";
import type { Problem } from "../api/client.ts";
import { idOf } from "../parts/problem.tsx";
import { faultsAt, faultsBelow, faultsIn } from "./faults.ts";
import type { Field } from "./fields.ts";
import { readAs, type Values, without, writtenAs } from "./typed.ts";

interface FieldProps {
  field: Field;
  pointer: string;
  value: unknown;
  problem: Problem | null;
  onChange: (value: unknown) => void;
}

/** One value of a request: its name, its value or its default, a line of help, and what the server has against it. */
export function FieldRow(props: FieldProps) {
  const { field, pointer, value, problem, onChange } = props;
  if (field.kind === "variants") return <Variants {...props} field={field} />;
  if (field.kind === "group") return <Group {...props} field={field} />;
  const id = idOf(pointer);
  const faults = faultsIn(problem, pointer);
  const common = { id, "aria-describedby": `${id}-help`, "aria-invalid": faults.length > 0 };
  return (
    <Labelled {...{ field, pointer, faults }}>
      {field.kind === "switch" && (
        <input
          {...common}
          type="checkbox"
          checked={Boolean(value ?? field.fallback)}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
      )}
      {field.kind === "choice" && (
        <select
          {...common}
          value={String(value ?? field.fallback)}
          onChange={(event) => onChange(event.currentTarget.value)}
        >
          {field.options.map((option) => (
            <option key={option}>{option}</option>
          ))}
        </select>
      )}
      {field.kind === "several" && <Several {...props} field={field} />}
      {IS_TYPED.has(field.kind) && <Typed common={common} field={field} value={value} onChange={onChange} />}
    </Labelled>
  );
}

const IS_TYPED: ReadonlySet<string> = new Set(["number", "text", "words", "list", "ranges", "pairs"]);

interface TypedProps {
  common: Record<string, unknown>;
  field: Field;
  value: unknown;
  onChange: (value: unknown) => void;
}

/** The text stays as it was typed, whatever it is worth. */
function Typed({ common, field: { kind, fallback }, value, onChange }: TypedProps) {
  const text = useSignal(writtenAs(value, kind));
  const given = {
    ...common,
    value: text.value,
    placeholder: writtenAs(fallback, kind) || "none",
    autocomplete: "off",
    onInput: (event: TargetedInputEvent<HTMLInputElement | HTMLTextAreaElement>) => {
      text.value = event.currentTarget.value;
      onChange(readAs(text.value, kind));
    },
  };
  return kind === "pairs" ? <textarea rows={2} {...given} /> : <input {...given} />;
}

function Several({ field, value, onChange }: FieldProps & { field: Field & { kind: "several" } }) {
  const chosen = (value as string[] | undefined) ?? [];
  return (
    <span class="several">
      {field.options.map((option) => (
        <label key={option} class="check">
          <input
            type="checkbox"
            checked={chosen.includes(option)}
            onChange={(event) =>
              onChange(event.currentTarget.checked ? [...chosen, option] : chosen.filter((each) => each !== option))
            }
          />
          {option}
        </label>
      ))}
    </span>
  );
}

function Variants({ field, pointer, value, problem, onChange }: FieldProps & { field: Field & { kind: "variants" } }) {
  const given = (typeof value === "string" ? { name: value } : value) as Values | undefined;
  const first = field.variants[0];
  const chosen = field.variants.find((variant) => variant.name === given?.name) ?? first;
  const id = idOf(pointer);
  const faults = [...faultsAt(problem, pointer), ...faultsIn(problem, `${pointer}/name`)];
  const isOpen = Object.keys(given ?? {}).length > 1 || faultsBelow(problem, pointer);
  return (
    <div class="nest">
      <Labelled {...{ field, pointer, faults }}>
        <select
          id={id}
          aria-describedby={`${id}-help`}
          value={chosen?.name ?? ""}
          onChange={(event) => {
            const { value: name } = event.currentTarget;
            onChange(name === first?.name ? undefined : { name });
          }}
        >
          {field.variants.map((variant) => (
            <option key={variant.name}>{variant.name}</option>
          ))}
        </select>
      </Labelled>
      {chosen && chosen.fields.length > 0 && (
        <details class="behind" open={isOpen}>
          <summary>Settings of {chosen.name}</summary>
          {chosen.fields.map((each) => (
            <FieldRow
              key={chosen.name + each.name}
              field={each}
              pointer={`${pointer}/${each.name}`}
              value={given?.[each.name]}
              problem={problem}
              onChange={(part) => onChange(without({ ...given, name: chosen.name, [each.name]: part }))}
            />
          ))}
        </details>
      )}
    </div>
  );
}

function Group({ field, pointer, value, problem, onChange }: FieldProps & { field: Field & { kind: "group" } }) {
  const given = value as Values | null | undefined;
  const isOn = !field.isOptional || Boolean(given);
  return (
    <div class="nest">
      <Labelled {...{ field, pointer, faults: faultsAt(problem, pointer) }}>
        {field.isOptional ? (
          <input
            id={idOf(pointer)}
            aria-describedby={`${idOf(pointer)}-help`}
            type="checkbox"
            checked={isOn}
            onChange={(event) => onChange(event.currentTarget.checked ? {} : undefined)}
          />
        ) : null}
      </Labelled>
      {isOn &&
        field.fields.map((each) => (
          <FieldRow
            key={each.name}
            field={each}
            pointer={`${pointer}/${each.name}`}
            value={given?.[each.name]}
            problem={problem}
            onChange={(part) => {
              const next = without({ ...given, [each.name]: part });
              onChange(field.isOptional || Object.keys(next).length > 0 ? next : undefined);
            }}
          />
        ))}
    </div>
  );
}

interface LabelledProps {
  field: Field;
  pointer: string;
  faults: string[];
  children: ComponentChildren;
}

function Labelled({ field, pointer, faults, children }: LabelledProps) {
  const id = idOf(pointer);
  return (
    <div class={`field${faults.length > 0 ? " field-wrong" : ""}`}>
      <label for={id}>{field.name.replaceAll("_", " ")}</label>
      {children}
      <small id={`${id}-help`}>
        <Faults faults={faults} />
        <Help text={field.help} />
      </small>
    </div>
  );
}

/** What the service has against the value of a field. */
export function Faults({ faults }: { faults: string[] }) {
  return (
    <>
      {faults.map((fault) => (
        <strong key={fault} class="fault">
          {fault}.{" "}
        </strong>
      ))}
    </>
  );
}

/** Names stand between backticks. */
function Help({ text }: { text: string }) {
  return <>{text.split("`").map((part, index) => (index % 2 ? <code key={part}>{part}</code> : part))}</>;
}
