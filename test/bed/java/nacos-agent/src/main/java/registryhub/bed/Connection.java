package registryhub.bed;

import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.pojo.Instance;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A connection of Nacos' client, and what is registered over it. The client registers it again when the server has
 * forgotten it.
 */
final class Connection {
  private static final ObjectMapper JSON = new ObjectMapper();
  /** Two clients that are made in one moment may find half of what the first one loads: "No server list provider found". */
  private static final Object MAKING = new Object();

  /** By group and service, then by address: one connection has one set of ephemeral instances of a service. */
  private final Map<String, Map<String, Instance>> registered = new ConcurrentHashMap<>();
  private final Properties properties;
  private NamingService naming;
  private ConfigService config;

  Connection(Properties properties) {
    this.properties = properties;
  }

  Object perform(String action, JsonNode request) throws Exception {
    String group = request.get("group").asText();
    switch (action) {
      case "register":
        register(request.get("service").asText(), group, instances(request));
        return null;
      case "deregister":
        deregister(request.get("service").asText(), group, instances(request));
        return null;
      case "instances":
        return naming().getAllInstances(request.get("service").asText(), group, false);
      case "services":
        return naming().getServicesOfServer(1, Integer.MAX_VALUE, group).getData();
      case "publishConfig":
        return config().publishConfig(request.get("dataId").asText(), group, request.get("content").asText());
      case "removeConfig":
        return config().removeConfig(request.get("dataId").asText(), group);
      case "config":
        return config().getConfig(request.get("dataId").asText(), group, 5_000);
      default:
        throw new IllegalArgumentException("no such action: " + action);
    }
  }

  synchronized void close() throws NacosException {
    if (naming != null) naming.shutDown();
    if (config != null) config.shutDown();
  }

  private void register(String service, String group, List<Instance> added) throws NacosException {
    Map<String, Instance> wanted = registered(service, group);
    for (Instance instance : added) {
      if (instance.isEphemeral()) wanted.put(instance.toInetAddr(), instance);
      else naming().registerInstance(service, group, instance);
    }
    if (added.stream().anyMatch(Instance::isEphemeral)) send(service, group, wanted);
  }

  private void deregister(String service, String group, List<Instance> removed) throws NacosException {
    Map<String, Instance> wanted = registered(service, group);
    for (Instance instance : removed) {
      if (instance.isEphemeral()) wanted.remove(instance.toInetAddr());
      else naming().deregisterInstance(service, group, instance);
    }
    if (removed.stream().noneMatch(Instance::isEphemeral)) return;
    if (wanted.isEmpty()) withdraw(service, group, removed.get(0));
    else send(service, group, wanted);
  }

  /** A second registration replaces the first. */
  private void send(String service, String group, Map<String, Instance> wanted) throws NacosException {
    List<Instance> all = List.copyOf(wanted.values());
    if (all.size() == 1) naming().registerInstance(service, group, all.get(0));
    else naming().batchRegisterInstance(service, group, all);
  }

  /** The client refuses to withdraw the whole of a batch, so the batch becomes a single instance first. */
  private void withdraw(String service, String group, Instance last) throws NacosException {
    naming().registerInstance(service, group, last);
    naming().deregisterInstance(service, group, last);
  }

  private Map<String, Instance> registered(String service, String group) {
    return registered.computeIfAbsent(group + "@@" + service, key -> new LinkedHashMap<>());
  }

  private synchronized NamingService naming() throws NacosException {
    if (naming != null) return naming;
    synchronized (MAKING) {
      naming = NacosFactory.createNamingService(properties);
    }
    return naming;
  }

  private synchronized ConfigService config() throws NacosException {
    if (config != null) return config;
    synchronized (MAKING) {
      config = NacosFactory.createConfigService(properties);
    }
    return config;
  }

  private static List<Instance> instances(JsonNode request) {
    List<Instance> instances = new ArrayList<>();
    request.get("instances").forEach(each -> instances.add(JSON.convertValue(each, Instance.class)));
    return instances;
  }
}
