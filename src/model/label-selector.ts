/** One condition on the labels of an object. Without the key, `notin` holds. */
export interface Requirement {
  readonly key: string;
  readonly operator: "in" | "notin" | "exists" | "!";
  readonly values: readonly string[];
}

/** The operators of Kubernetes' LabelSelector, which objects contain in the place of a text. */
export const selectorOperators = {
  In: "in",
  NotIn: "notin",
  Exists: "exists",
  DoesNotExist: "!",
} as const satisfies Readonly<Record<string, Requirement["operator"]>>;

/** A selector of Kubernetes over the labels of objects. */
export interface LabelSelector {
  /** As somebody wrote it, without blanks around it; "" selects every object. */
  readonly text: string;
  /** All of them have to hold. */
  readonly requirements: readonly Requirement[];
}

/**
 * Reads what `kubectl get -l` takes: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, separated by commas; ""
 * selects everything. Source: k8s.io/apimachinery/pkg/labels/selector.go; `>` and `<` are only for the labels of nodes.
 * @throws Error whose message says what is wrong, as the end of "<where>=<text>: ".
 */
export function parseLabelSelector(text: string): LabelSelector {
  const trimmed = text.trim();
  const parts = trimmed === "" ? [] : trimmed.split(/,(?![^(]*\))/); // not at the commas that separate values
  return { text: trimmed, requirements: parts.map(requirementOf) };
}

/** Whether an object with these labels is selected. */
export function selectsLabels(
  { requirements }: Pick<LabelSelector, "requirements">,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  const holds = ({ key, operator, values }: Requirement): boolean => {
    const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
    const isOneOf =
      value !== undefined && (operator === "exists" || operator === "!" || values.includes(value));
    return isOneOf === (operator === "in" || operator === "exists");
  };
  return requirements.every(holds);
}

const form =
  /^\s*(?:(?<not>!)?\s*(?<key>[^\s!=(),]+)|(?<is>[^\s!=(),]+)\s*(?<sign>==?|!=)\s*(?<value>[^\s!=(),]*)|(?<of>[^\s!=(),]+)\s+(?<set>in|notin)\s*\((?<values>[^()]*)\))\s*$/;

function requirementOf(text: string): Requirement {
  const { not, key, is, sign, value = "", of, set, values = "" } = form.exec(text)?.groups ?? {};
  if (key !== undefined) return checked({ key, operator: not === undefined ? "exists" : "!", values: [] });
  if (is !== undefined)
    return checked({ key: is, operator: sign === "!=" ? "notin" : "in", values: [value] });
  if (of === undefined || values.trim() === "")
    throw new Error(
      `"${text.trim()}" is no condition such as lane=gold, lane!=gold, lane in (gold,silver), lane notin (gold), lane or !lane`,
    );
  const listed = values.split(",").map((one) => one.trim());
  return checked({ key: of, operator: set === "in" ? "in" : "notin", values: listed });
}

const legalName = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const legalPrefix = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Nothing that no label can be: a typing error would else select nothing, or everything, without a word. */
function checked(requirement: Requirement): Requirement {
  const { key, values } = requirement;
  const [name = "", prefix, ...more] = key.split("/").reverse();
  const isKey =
    legalName.test(name) && (prefix === undefined || legalPrefix.test(prefix)) && more.length === 0;
  if (!isKey) throw new Error(`"${key}" is not the key of a label`);
  const odd = values.find((value) => value !== "" && !legalName.test(value));
  if (odd !== undefined) throw new Error(`"${odd}" is not the value of a label`);
  return requirement;
}
