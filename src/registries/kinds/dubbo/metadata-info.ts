import * as z from "zod";
import { mapOf, readJson, stringMap } from "../../../runtime/json.ts";

/** One service of a MetadataInfo: the content of a provider URL without the host. */
export interface MetadataService {
  /** The interface. */
  readonly name: string;
  /** As in a provider URL's scheme. */
  readonly protocol: string;
  /**
   * Absent if it was left out. It is the port of the process that wrote the MetadataInfo, which other processes may
   * share.
   */
  readonly port?: number;
  /** As in a provider URL, with version and group. */
  readonly parameters: ReadonlyMap<string, string>;
}

const serviceForm = z
  .object({
    name: z.string().min(1),
    protocol: z.string().min(1),
    version: z.string().nullish(),
    group: z.string().nullish(),
    port: z.number().int().nullish(),
    params: stringMap.nullish(),
  })
  .transform(({ name, protocol, version, group, port, params }): MetadataService => {
    const parameters = new Map(params);
    if (version) parameters.set("version", version);
    if (group) parameters.set("group", group);
    return { name, protocol, ...(port && port > 0 && { port }), parameters };
  });

const metadataInfoForm = z.object({ services: mapOf(serviceForm) });

/**
 * Reads the services of a MetadataInfo, which providers write as JSON into the metadata center with
 * `metadata-type=remote` or `report-metadata=true`. undefined = it is malformed. All or nothing, because a missing
 * service would count as gone. For the same reason a MetadataInfo without services is malformed: its revision would
 * be "0", and nobody reads that.
 *
 * Java and dubbo-go use the same names: `services` by match key, each with `name`, `group`, `version`, `protocol`,
 * `port`, `path`, `params`. dubbo-go omits empty fields, and keeps only a dozen parameters (no `side`, no
 * `interface`).
 *
 * Location: ZooKeeper `<root>/metadata/<application>/<revision>`, dubbo-go since 3.3 without `metadata/`; Nacos
 * dataId `<application>` in group `<revision>`, older dubbo-go dataId `<application>:<revision>` in DEFAULT_GROUP
 * instead.
 * Source: apache/dubbo, MetadataInfo, BaseApplicationMetadataIdentifier; apache/dubbo-go,
 * metadata/info/metadata_info.go (ServiceInfo, IncludeKeys), metadata/report/{zookeeper,nacos}/report.go.
 */
export function parseMetadataInfo(text: string): readonly MetadataService[] | undefined {
  const services = Object.values(readJson(metadataInfoForm, text)?.services ?? {});
  return services.length > 0 ? services : undefined;
}
