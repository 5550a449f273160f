/**
 * What real servers held, to the letter: written by Dubbo 3.3.6 and Spring Cloud ZooKeeper. Measured 2026-11-21.
 */

/** A node below /services: Dubbo 3.3.6, `metadata-type` local. */
export const localInstance =
  '{"name":"zookeeper-demo-provider","id":"192.0.2.10:20880","address":"192.0.2.10","port":20880,"sslPort":null,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"192.0.2.10:20880","name":"zookeeper-demo-provider","metadata":{"dubbo.endpoints":"[{\\"port\\":20880,\\"protocol\\":\\"dubbo\\"}]","dubbo.metadata-service.url-params":"{\\"prefer.serialization\\":\\"hessian2,fastjson2\\",\\"version\\":\\"1.0.0\\",\\"dubbo\\":\\"2.0.2\\",\\"release\\":\\"3.3.6\\",\\"side\\":\\"provider\\",\\"port\\":\\"20880\\",\\"protocol\\":\\"dubbo\\"}","dubbo.metadata.revision":"959a98eafe9cdd63bac039db28023609","dubbo.metadata.storage-type":"local","meta-v":"1.0.0","timestamp":"1795251477410"}},"registrationTimeUTC":1795251478121,"serviceType":"DYNAMIC","uriSpec":null}';

/** The same with `metadata-type=remote`. */
export const remoteInstance =
  '{"name":"zookeeper-demo-provider","id":"192.0.2.10:20880","address":"192.0.2.10","port":20880,"sslPort":null,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"192.0.2.10:20880","name":"zookeeper-demo-provider","metadata":{"dubbo.endpoints":"[{\\"port\\":20880,\\"protocol\\":\\"dubbo\\"}]","dubbo.metadata.revision":"3e4b3bfb03c6428f78642fcbce940f67","dubbo.metadata.storage-type":"remote","meta-v":"1.0.0","timestamp":"1795251498374"}},"registrationTimeUTC":1795251499001,"serviceType":"DYNAMIC","uriSpec":null}';

/** The MetadataInfo of {@link remoteInstance}. */
export const remoteMetadata =
  '{"app":"zookeeper-demo-provider","revision":"3e4b3bfb03c6428f78642fcbce940f67","services":{"org.apache.dubbo.samples.api.GreetingService:1.0.0:dubbo":{"name":"org.apache.dubbo.samples.api.GreetingService","params":{"side":"provider","release":"3.3.6","methods":"sayHello","deprecated":"false","dubbo":"2.0.2","interface":"org.apache.dubbo.samples.api.GreetingService","service-name-mapping":"true","version":"1.0.0","generic":"false","revision":"1.0.0","metadata-type":"remote","application":"zookeeper-demo-provider","prefer.serialization":"hessian2,fastjson2","dynamic":"true","REGISTRY_CLUSTER":"default"},"path":"org.apache.dubbo.samples.api.GreetingService","port":20880,"protocol":"dubbo","version":"1.0.0"}}}';

/** Protocol tri, `metadata-type` local. */
export const tripleInstance =
  '{"name":"zookeeper-demo-provider","id":"192.0.2.10:50052","address":"192.0.2.10","port":50052,"sslPort":null,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"192.0.2.10:50052","name":"zookeeper-demo-provider","metadata":{"dubbo.endpoints":"[{\\"port\\":50052,\\"protocol\\":\\"tri\\"}]","dubbo.metadata-service.url-params":"{\\"prefer.serialization\\":\\"hessian2,fastjson2\\",\\"version\\":\\"2.0.0\\",\\"dubbo\\":\\"2.0.2\\",\\"release\\":\\"3.3.6\\",\\"side\\":\\"provider\\",\\"port\\":\\"50052\\",\\"protocol\\":\\"tri\\"}","dubbo.metadata.revision":"bbaa0cc241705c5ad849d636b7d663f9","dubbo.metadata.storage-type":"local","meta-v":"2.0.0","timestamp":"1795251490725"}},"registrationTimeUTC":1795251491859,"serviceType":"DYNAMIC","uriSpec":null}';

/** A node below /services that Spring Cloud wrote. */
export const springInstance =
  '{"name":"order-service","id":"80192dc1-f826-4245-990a-e48796867576","address":"127.0.0.1","port":18083,"sslPort":null,"payload":{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","id":"order-service","name":"order-service","metadata":{"version":"v1","instance_status":"UP"}},"registrationTimeUTC":1795252172366,"serviceType":"DYNAMIC","uriSpec":{"parts":[{"value":"scheme","variable":true},{"value":"://","variable":false},{"value":"address","variable":true},{"value":":","variable":false},{"value":"port","variable":true}]}}';

/** Metadata of a Nacos instance of an application: Dubbo 3.3.6. */
export const nacosMetadata = {
  "dubbo.metadata-service.url-params":
    '{"prefer.serialization":"hessian2,fastjson2","version":"1.0.0","dubbo":"2.0.2","release":"3.3.6","side":"provider","port":"20880","protocol":"dubbo"}',
  "dubbo.endpoints": '[{"port":20880,"protocol":"dubbo"}]',
  "dubbo.metadata.revision": "d28857e359433c5aa8c7aa8aa487db3e",
  "dubbo.metadata.storage-type": "local",
  "meta-v": "1.0.0",
  timestamp: "1795251743190",
};
