import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Problem } from "../api/client.ts";
import { idOf } from "../parts/problem.tsx";
import { type Field, typed } from "./fields.ts";

export type Values = Record<string, unknown>;

interface FieldProps {
  field: Field;
  pointer: string;
  value: unknown;
  problem: Problem | null;
  onChange: (value: unknown) => void;
}

/** One hyperparameter: its name, its value or its default, a line of help, and what the server has against it. */
export function FieldRow(props: FieldProps) {
  const { field, pointer, value, problem, onChange } = props;
  if (field.kind === "variants") return <Variants {...props} field={field} />;
  if (field.kind === "group") return <Group {...props} field={field} />;
  const id = idOf(pointer);
  const common = { id, "aria-describedby": `${id}-help`, "aria-invalid": Boolean(problem?.faultAt(pointer)) };
  return (
    <Labelled {...{ field, pointer, problem }}>
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
      {(field.kind === "number" || field.kind === "text" || field.kind === "list") && (
        <Typed common={common} field={field} value={value} onChange={onChange} />
      )}
    </Labelled>
  );
}

interface TypedProps {
  common: Record<string, unknown>;
  field: Field;
  value: unknown;
  onChange: (value: unknown) => void;
}

/** The text stays as it was typed, whatever it is worth. */
function Typed({ common, field, value, onChange }: TypedProps) {
  const text = useSignal(value === undefined ? "" : asText(value));
  return (
    <input
      {...common}
      value={text.value}
      placeholder={asText(field.fallback) || "none"}
      autocomplete="off"
      onInput={(event) => {
        text.value = event.currentTarget.value;
        onChange(typed(text.value, field.kind === "list"));
      }}
    />
  );
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
  return (
    <div class="nest">
      <Labelled {...{ field, pointer, problem }}>
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
        <details class="behind" open={Object.keys(given ?? {}).length > 1}>
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
      <Labelled {...{ field, pointer, problem }}>
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
  problem: Problem | null;
  children: ComponentChildren;
}

function Labelled({ field, pointer, problem, children }: LabelledProps) {
  const id = idOf(pointer);
  const fault = problem?.faultAt(pointer);
  return (
    <div class={`field${fault ? " field-wrong" : ""}`}>
      <label for={id}>{field.name.replaceAll("_", " ")}</label>
      {children}
      <small id={`${id}-help`}>
        {fault && <strong class="fault">{fault}. </strong>}
        <Help text={field.help} />
      </small>
    </div>
  );
}

/** Names stand between backticks. */
function Help({ text }: { text: string }) {
  return <>{text.split("`").map((part, index) => (index % 2 ? <code key={part}>{part}</code> : part))}</>;
}

export const without = (values: Values): Values =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

function asText(value: unknown): string {
  if (value === null || value === undefined) return "";
  return Array.isArray(value) ? value.join(", ") : String(value);
}
