import { hiddenByMesh } from "../../controllers/hub/mesh-warnings.ts";
import { objectKeyOf } from "../../translate/read-back/json.ts";
import { capturesDns, rootNamespaceOf } from "../../translate/read-back/mesh-config.ts";
import { troubleIn } from "../explain/hubs.ts";
import { counted, sentence } from "../output.ts";
import { caution, type Finding, type Findings, fault, named } from "./finding.ts";
import { targetsIn } from "./hosts.ts";
import { allOutbound, passesBy } from "./outbound.ts";
import { isWhole, type Sight } from "./sight.ts";

const setting = "ISTIO_META_DNS_CAPTURE";
const annotation = `proxy.istio.io/config: '{"proxyMetadata": {"${setting}": "true"}}'`;

/** Nobody but the proxy knows the generated hosts. For sidecars every release of Istio has it off by default. */
export function dnsFindings(sight: Sight): Findings {
  const { meshes, pods = [] } = sight;
  if (meshes === undefined) return undefined;
  const withProxy = pods.filter(({ sidecar }) => sidecar);
  if (withProxy.length === 0 && pods.some(({ isAmbient }) => isAmbient)) return []; // ztunnel answers
  const silent = withProxy.filter(({ sidecar }) => !sidecar?.capturesDns);
  const off = meshes.filter(({ mesh }) => !capturesDns(mesh)).map(({ object }) => objectKeyOf(object));
  if (off.length > 0 && silent.length === withProxy.length) return [nobodyAnswers(off, silent.length, sight)];
  if (silent.length === 0) return [];
  const names = named(silent.map(keyOf));
  const also = off.length > 0 ? `ConfigMap ${named(off)} does not say it either` : "the mesh says so by now";
  return [
    caution(
      `${counted(silent.length, "pod")} with a sidecar cannot resolve the hosts of hubs`,
      `${setting} is not "true" in the sidecar of ${names}; ${also}`,
      off.length > 0
        ? `Annotate their template with ${annotation}`
        : "Restart those that call hosts of hubs.",
    ),
  ];
}

function nobodyAnswers(configMaps: readonly string[], pods: number, sight: Sight): Finding {
  const who = isWhole(sight, "pods") ? "consumers" : "consumers whose pods do not ask for it themselves";
  const also = pods > 0 ? `, and none of ${counted(pods, "pod")} with a sidecar says it itself` : "";
  return fault(
    `${who} cannot resolve the hosts of hubs: their proxies do not answer DNS`,
    `ConfigMap ${named(configMaps)} does not say "true" in meshConfig.defaultConfig.proxyMetadata.${setting}${also}`,
    `Set it there and restart the consumers. For some alone, annotate their pods' template with ${annotation}`,
  );
}

/** EnvoyFilters anywhere else act on that namespace alone. Each revision of istiod has a ConfigMap of its own. */
export function rootNamespaceFindings({ meshes, settings }: Sight): Findings {
  return meshes?.flatMap(({ object, mesh }) => {
    const root = rootNamespaceOf(mesh);
    if (root === settings.rootNamespace) return [];
    return [
      fault(
        `the EnvoyFilters in ${settings.rootNamespace} act on that namespace alone`,
        `meshConfig.rootNamespace is ${root} (ConfigMap ${objectKeyOf(object)}), and --root-namespace is ${settings.rootNamespace}`,
        `Give both controllers --root-namespace=${root}, with the component istio-system or a copy of it; if they have it, say it to this command, too.`,
        "4.6",
      ),
    ];
  });
}

/** Entries may be as they should be, and invisible. */
export function visibilityFindings(sight: Sight): Findings {
  const { meshes, namespaces } = sight;
  if (meshes === undefined || namespaces === undefined) return undefined;
  const view = {
    settings: { configs: meshes },
    namespaces: { objects: namespaces, status: { state: "synced" } as const },
  };
  return targetsIn(sight).flatMap((target) =>
    hiddenByMesh(target, view, undefined).map((problem) => {
      const { cause, fix } = troubleIn(problem);
      return fault(`the mesh hides the hosts of namespace ${target}`, cause, sentence(fix));
    }),
  );
}

/** Calls to a virtual IP have to reach the proxy. */
export function outboundFindings({ injectors, pods, settings: { vipCidr } }: Sight): Findings {
  if (injectors === undefined && pods === undefined) return undefined;
  const ofMesh = (injectors ?? []).flatMap(({ key, outbound }) => {
    const why = passesBy(outbound, vipCidr);
    return why === undefined ? [] : [{ key, why }];
  });
  const passing = (pods ?? []).flatMap((pod) => {
    if (pod.sidecar === undefined || Object.keys(pod.sidecar.outbound).length === 0) return [];
    const why = passesBy({ ...allOutbound, ...pod.sidecar.outbound }, vipCidr);
    return why === undefined ? [] : [{ key: keyOf(pod), why }];
  });
  const fix = `Add ${vipCidr} (--vip-cidr) to what is included, or take it out of what is excluded`;
  const [first] = passing;
  return [
    ...ofMesh.map(({ key, why }) =>
      fault(
        "calls to virtual IPs pass the sidecars by, and end nowhere",
        `${why} (ConfigMap ${key}, global.proxy)`,
        `${fix}, and restart the consumers.`,
      ),
    ),
    ...(first === undefined
      ? []
      : [
          caution(
            `calls of ${counted(passing.length, "pod")} to virtual IPs pass the sidecar by`,
            `${first.why} (${named(passing.map(({ key }) => key))})`,
            `${fix}: annotations traffic.sidecar.istio.io/… of the pods' template.`,
          ),
        ]),
  ];
}

const keyOf = ({ namespace, name }: { readonly namespace: string; readonly name: string }): string =>
  `${namespace}/${name}`;
